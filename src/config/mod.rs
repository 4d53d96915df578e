//! The one configuration of the process: valid by construction, immutable afterwards.
//!
//! A setting is a row of [`Key`]. What was typed for it arrives as text in [`Settings`]; each table of the
//! configuration reads its own, and [`compile`](compile::compile) makes a [`Config`] of them; nothing else does, and
//! nothing changes one. No I/O happens here but the reading of the files that the settings name, and no decision
//! about a request.
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | A flag outranks a variable, that the file, and that the default; what flags say of tables they say of all | experience | `config_file::a_flag_outranks_a_variable_that_the_file_and_that_the_default`, `config::reader::tests::a_flag_outranks_every_table_of_a_file`, `config::file::tests::what_a_flag_says_is_not_looked_at_in_the_file` |
//! | 2 | All faults are told in one run, whatever they are about; one of the syntax hides no other | experience | `config_file::every_fault_of_a_broken_file_is_told_at_once_with_its_place`, `config::compile::tests::every_fault_is_reported_at_once`, `config::file::tests::a_fault_of_the_syntax_hides_no_other` |
//! | 3 | A fault names what was typed, as it was typed, and its place as an editor shows it | experience | `config::reader::tests::a_setting_is_spelled_as_it_was_typed_and_else_as_the_file_would`, `config::reader::tests::messages_name_keys_where_there_is_a_file`, `config::file::tests::places_are_those_that_an_editor_shows` |
//! | 4 | Nothing typed is ignored: an unknown name hears the nearest, and what has no effect is warned of | experience | `config::file::tests::an_unknown_name_hears_the_nearest_one_in_any_table`, `config::compile::tests::flags_without_effect_are_warned_of` |
//! | 5 | An empty list that would let something in is a fault, and never one that is left out | experience | `config::file::tests::an_empty_list_that_would_let_in_is_a_fault_and_no_other` |
//! | 6 | What a variable or a file has put in is shown to nobody, in no spelling | experience | `config_file::secrets_reach_the_upstream_and_no_output`, `config::reader::tests::secrets_are_hidden_in_faults`, `config::notes::tests::no_spelling_of_a_secret_is_told_and_nothing_twice` |
//! | 7 | What is printed compiles to the same, and is printed the same again | experience | `config::printed::tests::flags_are_printed_as_a_file_that_says_the_same`, `config::printed::tests::a_file_under_flags_is_printed_as_one_that_says_the_same`, `random_files::what_is_accepted_is_printed_as_what_it_is` |
//! | 8 | A gateway that strangers can reach is restricted, or published knowingly | experience | `config::compile::tests::an_open_gateway_is_not_published_unknowingly`, `config::compile::tests::a_gateway_that_is_restricted_or_local_starts` |
//! | 9 | A policy that leaves something out has its default, and not what another one says | experience | `config::policies::tests::a_route_has_the_policy_that_it_names_and_else_the_default_one`, `config::policies::tests::a_flag_says_what_is_in_cors_and_in_no_other_policy` |
//! | 10 | A route has the waits and bounds of the whole file but for its own, and no head outgrows the buffers of the process | experience | `config::route::tests::a_route_has_the_waits_and_bounds_of_the_file_but_for_its_own`, `config::route::tests::heads_of_a_route_are_kept_where_those_of_the_file_are` |
//! | 11 | What belongs to the life of the process is kept when the file is read again, and warned of; listeners keep their places | experience | `config::process::tests::what_belongs_to_the_life_of_the_process_is_kept_and_warned_of`, `config::log::tests::what_belongs_to_the_life_of_the_process_is_kept`, `config::limits::tests::heads_that_outgrow_the_buffers_are_taken_back_and_warned_of`, `config::listen::tests::a_listener_keeps_its_place_and_one_that_is_gone_too` |
//! | 12 | Every setting has one reader, a default that is in the help, and a line in the sample that is accepted | experience | `config::compile::tests::every_setting_is_read_once`, `config::flags::tests::every_default_is_in_the_help_and_is_what_holds_when_nothing_is_typed`, `config_file::every_line_of_the_sample_is_accepted_in_its_table` |
//! | 13 | Of what decides about a page it is known where it was typed, or where it would stand, and what to write; no value of it is told | experience | `config::places::tests::where_a_setting_was_typed_is_known_of_each_policy`, `config::places::tests::where_a_route_and_a_listener_stand_is_known`, `config::remedy::tests::a_remedy_says_what_to_write_where`, `explain::verdicts::the_line_of_the_file_that_decides_is_told` |
//! | 14 | A preset stands in for what is not typed, and no more; where it does, any origin is a fault, and requests must be for a host that was named: on loopback for one of its own, elsewhere for one that the operator lists | Model Context Protocol, "Transports", security warning | `config::preset::tests::a_preset_stands_in_for_what_is_not_typed_and_what_is_typed_wins`, `config::preset::tests::any_origin_and_a_preset_is_a_fault`, `config::preset::tests::a_preset_that_others_reach_wants_the_names_under_which_they_do`, `presets::only_pages_and_programs_of_this_machine_get_to_a_server_behind_a_preset` |
//! | 15 | Which setting refuses a page is told to pages on this machine alone, or to who shows a token | experience | `dev::where_others_can_reach_it_it_is_a_fault`, `dev::where_a_token_is_wanted_nobody_is_told_without_one` |
//! | 16 | A forward proxy that strangers can reach asks who they are, whatever its targets, or is published knowingly, which is warned of | experience | `config::forward::tests::who_may_use_a_published_one_is_said_or_that_anybody_may`, `forward::an_open_proxy_is_none_by_accident` |

mod values;

mod names;

mod keys;

mod preset;

mod artifact;

mod subcommands;

mod source;

mod notes;

mod settings;

mod places;

mod interpolation;

mod reader;

pub mod machine;

mod process;

mod unix_name;

mod listen_address;

mod listen;

mod policy;

mod policies;

mod limit;

mod ejection;

mod health;

mod balancing;

mod pool;

mod retry;

mod upstream_tls;

mod endpoint;

mod resolution;

mod parent_proxy;

mod upstream;

mod service;

mod upstreams;

mod jwt;

mod access;

mod limits;

mod timeouts;

mod route;

mod routes;

mod gateway_target;

mod forward;

mod gateway;

mod dns;

mod trust;

mod log_format;

mod log_level;

mod log;

mod admin;

mod configuration;

mod remedy;

mod signing;

mod command;

mod intent;

mod environment;

mod shorthand;

pub mod file;

pub mod printed;

pub mod flags;

pub mod compile;

#[cfg(test)]
pub(crate) mod sample;

pub(crate) use self::log_format::log_keys;
pub use self::{
    access::{AccessId, AccessList},
    admin::{Admin, admin_address},
    artifact::{Artifact, Shell},
    balancing::{BalanceRule, Balancing, HashKey},
    command::{Command, Question, Signing},
    configuration::Config,
    dns::Dns,
    ejection::Ejection,
    endpoint::{Endpoint, Place, Share},
    forward::Forward,
    gateway::{Cookies, Gateway, Redirects},
    gateway_target::TargetEdits,
    health::HealthCheck,
    jwt::KeySource,
    keys::{Flag, Key, Kind, Row},
    limit::{LimitId, LimitList},
    limits::Limits,
    listen::{Listener, ListenerId},
    listen_address::ListenAddress,
    log::{AccessLog, Log, SecretNames},
    log_format::{LogFormat, LogKey, Piece, Template},
    log_level::LogLevel,
    notes::ConfigFault,
    parent_proxy::{Parent, ParentProxies},
    places::SettingPlace,
    policy::PolicyId,
    pool::Pooling,
    process::{Process, RunAs},
    remedy::{Obstacle, Refused, Remedy},
    resolution::{MAX_ADDRESSES, Resolution},
    retry::Retry,
    route::{LeadsTo, Methods, Respond, Route, RouteId},
    routes::{Routes, Taken},
    settings::{Part, Section, Settings, Typed, TypedAt},
    source::{Place as FilePlace, Source},
    subcommands::{Argument, FlagsOf, OwnFlag, SUBCOMMANDS, Subcommand},
    timeouts::Timeouts,
    unix_name::UnixName,
    upstream::{HostHeader, Upstream, UpstreamId},
    values::duration,
};
