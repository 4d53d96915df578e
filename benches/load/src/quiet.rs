//! Streams that are open and say nothing.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use mio::Events;

use crate::{rig::Rig, wait_for_line};

/// What the first ones cost is no stream's: buffers and tables that are there from then on.
const FIRST: usize = 200;
/// Streams that are opened at a time.
const UNDER_WAY: usize = 64;
/// Without a stream more for so long, no more will come.
const PATIENCE: Duration = Duration::from_secs(10);
const EVENTS: usize = 256;

pub(crate) fn run(mut rig: Rig, count: usize) -> Result<(), Box<dyn Error>> {
    let mut events = Events::with_capacity(EVENTS);
    open(&mut rig, &mut events, FIRST)?;
    println!("ready");
    wait_for_line()?;
    open(&mut rig, &mut events, count)?;
    report(&rig);
    wait_for_line()?;
    // Whatever has ended meanwhile is told at once.
    rig.turn(&mut events)?;
    while !events.is_empty() {
        rig.turn(&mut events)?;
    }
    report(&rig);
    Ok(())
}

/// So many more.
fn open(rig: &mut Rig, events: &mut Events, count: usize) -> io::Result<()> {
    let before = rig.settled();
    let (mut opened, mut came, mut at) = (0, before, Instant::now());
    while rig.settled() < before + count && at.elapsed() < PATIENCE {
        while opened < count && opened < rig.settled() - before + UNDER_WAY {
            rig.connect()?;
            opened += 1;
        }
        rig.turn(events)?;
        if rig.settled() > came {
            (came, at) = (rig.settled(), Instant::now());
        }
    }
    Ok(())
}

fn report(rig: &Rig) {
    println!(
        r#"{{"open": {}, "errors": {}}}"#,
        rig.settled().saturating_sub(rig.tally().errors + FIRST),
        rig.tally().errors
    );
}
