//! What the process shows of itself, on a listener of its own: metrics, health, state, and a page with all of it.
//!
//! It runs on the thread of the process, which serves no traffic: whoever asks here takes nothing from requests. Few are
//! answered at a time, one request a connection, and of what is large one at once. No traffic may enter this room, and
//! nothing in it decides about a request.
//!
//! - `quantile`: what a distribution says of most of what it has counted
//! - `history`: the last minutes, second by second
//! - `observed`: all there is to see
//! - `exposition`: the metrics as text
//! - `status`: the state as JSON
//! - `page`: the page that shows it
//! - `guard`: who may ask
//! - `answer`: what is said to whoever asks
//! - `connection`: one request and its answer
//! - `listener`: where they come from
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | No page of another origin can ask here: not by its name, not with its `Origin`, not from another site | Fetch, `Sec-Fetch-Site`; experience | `admin::guard::tests::pages_of_other_origins_are_refused`, `admin::no_page_of_another_origin_can_use_it` |
//! | 2 | Series are bounded by the configuration, whatever peers send | experience | `admin::hostile_requests_add_no_series` |
//! | 3 | Counters move by exactly what was sent, and gauges return to zero | experience | `admin::counters_move_by_what_was_sent_and_gauges_return_to_zero` |
//! | 4 | It is ready while it serves, and is not any more as soon as it is told to stop | experience | `admin::it_is_ready_until_it_is_told_to_stop` |
//! | 5 | A reload is asked for over loopback or a Unix socket alone, and its end is the answer | experience | `admin::a_reload_is_answered_with_its_generation_or_its_faults` |

mod quantile;

mod history;

mod observed;

mod exposition;

mod status;

mod page;

mod guard;

mod answer;

mod connection;

mod listener;

pub use self::{
    listener::{MEMORY_OF_CONNECTIONS, serve},
    observed::{Observed, ReloadRequest, Stage, answer_memory},
};
