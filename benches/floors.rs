//! Micro-benchmarks of the floors that decide: how long each operation takes on realistic and on worst input.
//!
//! `cargo bench --bench floors` measures time, which is noisy; `python3 benches/instructions` counts the
//! instructions of the same operations, which is not. Both take them from [`operations`].

mod operations;

use operations::Floor;

/// What `benches/instructions` asks for: every operation by name, or one of them so many times.
#[expect(clippy::print_stdout, reason = "the list is what was asked for")]
fn answer_the_counter(arguments: &[String]) -> bool {
    match arguments {
        [word] if word == "operations" => {
            for floor in Floor::ALL {
                floor.operations().iter().for_each(|(name, _)| println!("{floor}/{name}"));
            }
            true
        }
        [word, name, times] if word == "repeat" => {
            let (floor, name) = name.split_once('/').expect("floor/operation");
            let mut operation = Floor::named(floor).operation(name);
            for _ in 0..times.parse().expect("a number") {
                operation();
            }
            true
        }
        _ => false,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !answer_the_counter(&arguments) {
        divan::main();
    }
}

macro_rules! benches {
    ($($name:ident: $floor:ident,)*) => {
        $(#[divan::bench(args = Floor::$floor.names())]
        fn $name(bencher: divan::Bencher<'_, '_>, name: &str) {
            bencher.bench_local(Floor::$floor.operation(name));
        })*
    };
}

benches! {
    head: Head,
    framing: Framing,
    chunked: Chunked,
    routing: Routing,
    cors: Cors,
    gateway: Gateway,
    rewrite: Rewrite,
    access_log: AccessLog,
}
