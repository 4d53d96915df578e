//! Requests as fast as they are answered.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use mio::Events;

use crate::{
    rig::{Rig, Tally},
    wait_for_line,
};

/// Until caches are full and connections to the origin are open.
const WARM_UP: Duration = Duration::from_millis(700);
/// Whoever has not answered twice on each connection by then does not at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events that are taken at a time.
const EVENTS: usize = 256;
/// Turns of the loop between two looks at the clock.
const TURNS: usize = 16;

pub(crate) fn run(mut rig: Rig, connections: usize, seconds: f64) -> Result<(), Box<dyn Error>> {
    let mut events = Events::with_capacity(EVENTS);
    let begun = Instant::now();
    for _ in 0..connections {
        rig.connect()?;
        rig.turn(&mut events)?;
    }
    while begun.elapsed() < WARM_UP || rig.tally().answered < 2 * connections {
        rig.turn(&mut events)?;
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} answers within {PATIENCE:?}", rig.tally().answered).into());
        }
    }
    println!("ready");
    wait_for_line()?;
    drop(rig.take_tally());
    let (begun, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    while begun.elapsed() < length {
        for _ in 0..TURNS {
            rig.turn(&mut events)?;
        }
    }
    let took = begun.elapsed();
    // Before anything is computed: the proxy's clock is read now.
    println!("over");
    report(rig.take_tally(), took);
    Ok(())
}

fn report(mut tally: Tally, took: Duration) {
    tally.latencies.sort_unstable();
    let percentile = |percent: usize| {
        let place = tally.latencies.len() * percent / 100;
        tally.latencies.get(place).map_or(0.0, |micros| f64::from(*micros) / 1e3)
    };
    println!(
        r#"{{"answers": {}, "seconds": {:.6}, "errors": {}, "p50": {:.3}, "p99": {:.3}}}"#,
        tally.answered,
        took.as_secs_f64(),
        tally.errors,
        percentile(50),
        percentile(99)
    );
}
