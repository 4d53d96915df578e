//! `corsair explain`: what becomes of a page's request, without sending anything.
//!
//! The request is made as a browser makes it (`page.rs`), the daemon's own functions answer it (`edge.rs`), and a reading
//! of the Fetch standard that shares no code with them judges the answers (`fetch.rs`). Nothing is sent, and no name is
//! resolved: no socket, no resolver and no rule of the daemon's may enter this room.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | What is explained is what the daemon answers: status, and each field that says who may read what | experience | `explain::agreement::what_is_explained_is_what_the_daemon_answers` |
//! | 2 | A page can read what passes the checks of a browser, made by code of their own | Fetch, "CORS check", "CORS-preflight fetch" | `commands::explain::fetch::tests::who_may_read_is_said_by_one_value_and_by_another_for_credentials`, `commands::explain::fetch::tests::a_preflight_grants_methods_and_fields_by_name_and_a_star_no_authorization`, `explain::verdicts::what_becomes_of_a_request_and_why` |
//! | 3 | A preflight goes before what a form could not send, and asks for no more than a browser would | Fetch, "CORS-safelisted request-header" | `commands::explain::fetch::tests::a_preflight_goes_before_what_a_form_could_not_send` |
//! | 4 | What no page can ask is a fault, and all of them are told | Fetch, "forbidden request-header" | `explain::command::what_no_page_can_ask_is_a_fault_and_all_are_told` |

mod fetch;

mod page;

mod edge;

mod told;

mod verdict;

pub use self::{told::Explanation, verdict::explain};
