//! What holds for the life of the process: its threads, its connections, its end.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use super::{keys::Key, machine::Machine, reader::Reader, values};

/// What holds for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Threads that serve, each with a runtime of its own.
    pub workers: NonZeroUsize,
    /// Client connections at a time, over all workers.
    pub max_connections: usize,
    /// Those of one client at a time; `None`: any number. A reload changes it.
    pub max_connections_per_client: Option<u32>,
    /// Anonymous memory that the process may take, in bytes.
    pub max_memory: Option<u64>,
    /// Bodies that each worker may splice at a time.
    pub pipes: usize,
    /// Attempts to connect that may run beside the first one of their request, over all workers.
    pub races: usize,
    /// Names that each worker may look up at a time.
    pub lookups: usize,
    /// How long to go on serving after TERM, so that who sends clients here can notice.
    pub drain_delay: Duration,
    /// How long running exchanges may take to end once a drain has begun.
    pub drain_timeout: Duration,
    /// Who to be once the listeners and the access log are open.
    pub run_as: Option<RunAs>,
    /// Whether a client that is no browser may end its side behind its request and still gets the answer.
    pub half_close: bool,
    /// Bytes of the largest head that a buffer holds, of requests and of responses.
    pub largest_head: usize,
    /// Whether files are watched for changes.
    pub watch: bool,
    /// The file that the configuration is read from.
    pub file: Option<PathBuf>,
}

/// A user to become, and a group, by their names on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The user.
    pub user: Box<str>,
    /// The group; `None` is the user's own.
    pub group: Option<Box<str>>,
}

/// What the settings and the machine make of it.
pub(super) fn read(machine: Machine, reader: &mut Reader<'_>) -> Process {
    let workers = reader.value(Key::Workers, |text| {
        values::or_word(text, "auto", |text| values::count(text, 1..=1024))
            .map(|count| count.and_then(NonZeroUsize::new).unwrap_or(machine.cores))
    });
    // A connection has two descriptors, and a tenth is left for everything else, or what that takes at least.
    let tenth = machine.descriptors.saturating_mul(9) / 20;
    let default = (machine.descriptors.saturating_sub(RESERVE) / 2).min(tenth).max(1);
    let max_connections =
        reader.optional(Key::MaxConnections, |text| values::count(text, 1..=100_000_000)).unwrap_or(default);
    if max_connections.saturating_mul(2) > machine.descriptors {
        let message = format!(
            "{max_connections} connections and as many to upstreams need more than the {} descriptors that this \
             process may open; raise the limit (ulimit -n, LimitNOFILE=)",
            machine.descriptors
        );
        reader.warn(Key::MaxConnections, message);
    }
    Process {
        workers,
        max_connections,
        max_connections_per_client: reader.value(Key::MaxConnectionsPerClient, |text| {
            values::count(text, 0..=1_000_000).map(|most| u32::try_from(most).ok().filter(|most| *most > 0))
        }),
        max_memory: reader.value(Key::MaxMemory, |text| {
            values::or_word(text, "off", |text| values::size_within(text, LEAST_MEMORY..=u64::MAX))
        }),
        races: machine.descriptors.saturating_sub(max_connections.saturating_mul(2)) / 8,
        lookups: (machine.descriptors / FILES_FOR_A_LOOKUP / workers).clamp(4, 64),
        pipes: pipes(machine, max_connections, workers),
        drain_delay: reader.value(Key::DrainDelay, values::duration),
        drain_timeout: reader.value(Key::DrainTimeout, values::duration),
        run_as: run_as(reader),
        half_close: reader.switch(Key::HalfClose),
        largest_head: 0,
        watch: reader.switch(Key::Watch),
        file: reader.optional(Key::ConfigFile, values::file),
    }
}

/// This with what cannot change while the process lives, as it was `before`; what was to change is warned of.
pub(super) fn kept(mut process: Process, before: &Process, reader: &mut Reader<'_>) -> Process {
    let differs = [
        (Key::Workers, process.workers != before.workers),
        (Key::MaxConnections, process.max_connections != before.max_connections),
        (Key::MaxMemory, process.max_memory != before.max_memory),
        (Key::User, process.run_as != before.run_as),
        (Key::Watch, process.watch != before.watch),
    ];
    for (key, _) in differs.into_iter().filter(|(_, differs)| *differs) {
        reader.warn(key, "holds for the life of the process: restart it, or replace it with USR2");
    }
    process.workers = before.workers;
    process.max_connections = before.max_connections;
    process.max_memory = before.max_memory;
    process.run_as.clone_from(&before.run_as);
    process.watch = before.watch;
    (process.pipes, process.races, process.lookups) = (before.pipes, before.races, before.lookups);
    process.largest_head = before.largest_head;
    process
}

impl Process {
    /// Connections beside those that are served, to be told that there is no memory for them; without a bound on that
    /// they wait instead.
    #[must_use]
    pub fn reserve(&self) -> usize {
        self.max_memory.map_or(0, |_| RESERVE_OF_A_WORKER * self.workers.get())
    }
}

/// The least that can be promised: the program itself, and a few connections.
const LEAST_MEMORY: u64 = 16 << 20;

/// Connections that each worker can tell at a time that there is no memory for them.
const RESERVE_OF_A_WORKER: usize = 16;

fn run_as(reader: &mut Reader<'_>) -> Option<RunAs> {
    // Empty in a file is nobody.
    let name = |text: &str| Ok(Some(text).filter(|text| !text.is_empty()).map(Box::from));
    let user = reader.optional(Key::User, name).flatten();
    let group: Option<Box<str>> = reader.optional(Key::Group, name).flatten();
    if let (None, Some(group)) = (&user, &group) {
        let user = reader.spelled(Key::User);
        reader.fault(Key::Group, format!("{group} needs a user; give it with {user}"));
    }
    user.map(|user| RunAs { user, group })
}

/// Descriptors that listeners, logs, lookups and races take in the smallest process.
const RESERVE: usize = 48;

/// A lookup has a handful of sockets, and is one of many things that need some.
const FILES_FOR_A_LOOKUP: usize = 32;

/// Pipes that each of `workers` may have: of the descriptors that connections leave over, half, so that bodies in
/// pipes never take the place of a connection.
fn pipes(machine: Machine, max_connections: usize, workers: NonZeroUsize) -> usize {
    let left = machine.descriptors.saturating_sub(max_connections.saturating_mul(2));
    (left / DESCRIPTORS_OF_A_PIPE / 2 / workers).min(MAX_PIPES)
}

const DESCRIPTORS_OF_A_PIPE: usize = 2;
/// What the kernel keeps in a pipe comes beside the buffers of its sockets.
const MAX_PIPES: usize = 64;

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn machine(descriptors: usize) -> Machine {
        Machine { descriptors, cores: NonZeroUsize::new(4).unwrap() }
    }

    #[test]
    fn connections_stay_below_the_descriptor_limit() {
        for (descriptors, expected) in [(20_000, 9000), (1024, 460), (256, 104), (1, 1)] {
            let (process, faults) = sample::faults(&[], |reader| read(machine(descriptors), reader));
            assert_eq!((process.max_connections, faults), (expected, vec![]));
        }
        let (process, notes) =
            sample::noted(&[(Key::MaxConnections, "600")], |reader| read(machine(1024), reader));
        assert_eq!(process.max_connections, 600);
        assert!(notes.warnings[0].to_string().starts_with("--max-connections: 600 connections"), "{notes:?}");
    }

    #[test]
    fn pipes_take_no_descriptor_from_a_connection() {
        for (descriptors, connections, workers, expected) in [
            (20_000, 9000, 2, 64),
            (20_000, 9000, 64, 7),
            (1024, 460, 2, 13),
            (1024, 512, 2, 0),
            (10, 100, 1, 0),
        ] {
            let workers = NonZeroUsize::new(workers).unwrap();
            assert_eq!(pipes(machine(descriptors), connections, workers), expected, "{descriptors}");
        }
    }

    #[test]
    fn lookups_and_races_are_few_where_descriptors_are() {
        for (descriptors, lookups, races) in [(20_000, 64, 250), (1024, 8, 13), (256, 4, 6), (1, 4, 0)] {
            let (process, _) = sample::faults(&[], |reader| read(machine(descriptors), reader));
            assert_eq!((process.lookups, process.races), (lookups, races), "{descriptors}");
        }
    }

    #[test]
    fn workers_are_a_number_or_the_cores() {
        for (settings, expected) in
            [(&[][..], 4), (&[(Key::Workers, "auto")], 4), (&[(Key::Workers, "2")], 2)]
        {
            let (process, faults) = sample::faults(settings, |reader| read(machine(9), reader));
            assert_eq!((process.workers.get(), faults), (expected, vec![]));
        }
        for typed in ["0", "many", "-1", "1025"] {
            let (_, faults) = sample::faults(&[(Key::Workers, typed)], |reader| read(machine(9), reader));
            assert_eq!(
                faults,
                [format!("--workers: \"{typed}\" is out of range; expected 1 to 1024, or auto")]
            );
        }
    }

    #[test]
    fn half_closed_clients_are_answered_unless_told_otherwise() {
        for (settings, expected) in
            [(&[][..], true), (&[(Key::HalfClose, "false")], false), (&[(Key::HalfClose, "true")], true)]
        {
            let (process, faults) = sample::faults(settings, |reader| read(machine(9), reader));
            assert_eq!((process.half_close, faults), (expected, vec![]));
        }
    }

    #[test]
    fn an_end_takes_half_a_minute_at_most_unless_told_otherwise() {
        for (settings, seconds) in [(&[][..], 30), (&[(Key::DrainTimeout, "1m")], 60)] {
            let (process, faults) = sample::faults(settings, |reader| read(machine(9), reader));
            assert_eq!((process.drain_timeout, faults), (Duration::from_secs(seconds), vec![]));
        }
    }

    #[test]
    fn a_group_comes_with_a_user() {
        let run_as =
            |user: &str, group: Option<&str>| Some(RunAs { user: user.into(), group: group.map(Into::into) });
        for (settings, expected) in [
            (&[][..], None),
            (&[(Key::User, "")], None),
            (&[(Key::User, "nobody")], run_as("nobody", None)),
            (&[(Key::User, "nobody"), (Key::Group, "")], run_as("nobody", None)),
            (&[(Key::User, "nobody"), (Key::Group, "www")], run_as("nobody", Some("www"))),
        ] {
            let (process, faults) = sample::faults(settings, |reader| read(machine(9), reader));
            assert_eq!((process.run_as, faults), (expected, vec![]));
        }
        let (_, faults) = sample::faults(&[(Key::Group, "www")], |reader| read(machine(9), reader));
        assert_eq!(faults, ["--group: www needs a user; give it with --user"]);
    }

    #[test]
    fn what_belongs_to_the_life_of_the_process_is_kept_and_warned_of() {
        let (before, _) = sample::faults(&[], |reader| read(machine(1024), reader));
        let settings = [
            (Key::Workers, "9"),
            (Key::MaxConnections, "7"),
            (Key::User, "nobody"),
            (Key::Watch, "true"),
            (Key::DrainDelay, "1s"),
            (Key::DrainTimeout, "2s"),
            (Key::HalfClose, "false"),
        ];
        let (kept, notes) = sample::noted(&settings, |reader| {
            let next = read(machine(20_000), reader);
            kept(next, &before, reader)
        });
        let expected = Process {
            drain_delay: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(2),
            half_close: false,
            ..before.clone()
        };
        assert_eq!(kept, expected);
        let warned: Vec<&str> = notes.warnings.iter().map(|warning| &*warning.key).collect();
        assert_eq!(
            (warned, notes.faults),
            (vec!["--workers", "--max-connections", "--user", "--watch"], vec![])
        );
        let (_, notes) = sample::noted(&[], |reader| {
            let next = read(machine(1024), reader);
            super::kept(next, &before, reader)
        });
        assert_eq!(notes.warnings, []);
    }

    #[test]
    fn a_drain_begins_at_once_unless_told_otherwise() {
        for (settings, seconds) in [(&[][..], 0), (&[(Key::DrainDelay, "5s")], 5)] {
            let (process, faults) = sample::faults(settings, |reader| read(machine(9), reader));
            assert_eq!((process.drain_delay, faults), (Duration::from_secs(seconds), vec![]));
        }
    }
}
