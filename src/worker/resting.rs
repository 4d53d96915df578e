//! Streams in which nothing moves, outside of the runtime: how they get there, and when they go on.

use std::{cell::Cell, future::pending, io};

use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::net::parked::{ParkedSet, Unparked, Woken};

/// The streams of one worker in which nothing moves: the two sockets of each, and what is kept of it (`T`).
pub(super) struct RestingStreams<T> {
    parked: ParkedSet<T, 2>,
    /// Until when it is waited that one has to go on.
    due: Cell<Option<Instant>>,
    /// One has to go on before that.
    sooner: Notify,
}

impl<T> RestingStreams<T> {
    /// None. Needs a runtime.
    ///
    /// # Errors
    /// What the system says when no descriptor is left to watch them.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { parked: ParkedSet::new()?, due: Cell::default(), sooner: Notify::new() })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Takes one out of the runtime until something moves, or until `deadline`.
    ///
    /// # Errors
    /// The system cannot watch it.
    pub(super) fn park(
        &self,
        sockets: [TcpStream; 2],
        deadline: Instant,
        kept: T,
    ) -> Result<(), Unparked<T, 2>> {
        self.parked.park(sockets, deadline, kept)?;
        if self.due.get().is_none_or(|due| deadline < due) {
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// Drops some; whether there are more.
    pub(super) fn close_some(&self) -> bool {
        self.parked.close_some()
    }

    /// Waits until some have to go on, which are back in the runtime then; `woken` may stay empty.
    pub(super) async fn wake(&self, woken: &mut Vec<Woken<T, 2>>) {
        self.due.set(self.parked.next_expiry());
        let expired = async {
            match self.due.get() {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.parked.wake(woken) => {}
            () = expired => {
                self.parked.wake_expired(Instant::now(), woken);
            }
            () = self.sooner.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::testing::{in_worker, tcp_pair};

    async fn next(resting: &RestingStreams<u32>) -> Vec<Woken<u32, 2>> {
        let mut woken = Vec::new();
        while woken.is_empty() {
            resting.wake(&mut woken).await;
        }
        woken
    }

    #[test]
    fn either_end_wakes_a_stream_and_its_deadline_does_in_their_order() {
        in_worker(async {
            let resting = RestingStreams::new().unwrap();
            let (begun, mut far) = (Instant::now(), Vec::new());
            let park = async |number, seconds: f32| {
                let ((near, client), (other, upstream)) = (tcp_pair().await, tcp_pair().await);
                let deadline = begun + Duration::from_secs_f32(seconds);
                resting.park([near, other], deadline, number).unwrap();
                [client, upstream]
            };
            for number in 0..3 {
                far.push(park(number, 60.0).await);
            }
            for (number, end) in [(1_u32, 0), (2, 1)] {
                far[number as usize][end].write_all(b"x").await.unwrap();
                let mut woken = next(&resting).await;
                assert_eq!((woken.len(), woken[0].ticket), (1, number));
                assert_eq!(woken[0].sockets[end].read(&mut [0; 9]).await.unwrap(), 1);
            }
            // A stream whose client has left is not closed here: its upstream has to hear of it.
            let [client, _upstream] = far.swap_remove(0);
            drop(client);
            assert_eq!(next(&resting).await[0].ticket, 0);
            // Whatever is waited for, one that is due before that is not late.
            far.push(park(3, 60.0).await);
            let waiting = async { next(&resting).await[0].ticket };
            let parking = async { park(4, 0.2).await };
            let (first, _far) = tokio::join!(waiting, parking);
            assert_eq!((first, resting.len()), (4, 1));
            assert!(begun.elapsed() >= Duration::from_millis(200));
        });
    }
}
