use std::{cell::Cell, collections::HashMap, os::fd::AsFd as _, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;
use crate::net::testing::{in_worker, tcp_pair};

const SECOND: Duration = Duration::from_secs(1);
/// How late a socket may be closed.
const TICK: Duration = Duration::from_millis(100);

/// A ticket that tells when it is dropped.
#[derive(Debug)]
struct Ticket(Rc<Cell<usize>>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// The next sockets that wake.
async fn next<T, const N: usize>(set: &ParkedSet<T, N>) -> Vec<Woken<T, N>> {
    let mut woken = Vec::new();
    while woken.is_empty() {
        set.wake(&mut woken).await;
    }
    woken
}

/// Parks a socket that a test knows by its number; the far end of it.
async fn park(set: &ParkedSet<u32>, number: u32, deadline: Instant) -> TcpStream {
    let (near, far) = tcp_pair().await;
    set.park([near], deadline, number).unwrap();
    far
}

#[test]
fn a_peer_that_speaks_wakes_its_socket_and_no_other() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let deadline = Instant::now() + 60 * SECOND;
        let mut far = Vec::new();
        for number in 0..3 {
            far.push(park(&set, number, deadline).await);
        }
        far[1].write_all(b"hello").await.unwrap();
        let mut woken = next(&set).await;
        assert_eq!((woken.len(), set.len()), (1, 2));
        let Woken { sockets: [mut tcp], ticket, deadline: left } = woken.remove(0);
        assert_eq!(ticket, 1);
        assert!(left >= deadline && left <= deadline + TICK);
        let mut bytes = [0; 5];
        tcp.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
        // It can be parked again, and nothing of its first stay is left.
        set.park([tcp], deadline, 9).unwrap();
        assert!(timeout(SECOND / 20, next(&set)).await.is_err());
        far[1].write_all(b"x").await.unwrap();
        assert_eq!(next(&set).await[0].ticket, 9);
    });
}

#[test]
fn what_came_before_it_was_parked_wakes_it_as_well() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let (near, mut far) = tcp_pair().await;
        far.write_all(b"early").await.unwrap();
        near.readable().await.unwrap();
        set.park([near], Instant::now() + SECOND, 1).unwrap();
        assert_eq!(next(&set).await[0].ticket, 1);
    });
}

#[test]
fn a_peer_that_leaves_without_a_word_has_its_socket_closed() {
    in_worker(async {
        for reset in [false, true] {
            let set = ParkedSet::<_>::new().unwrap();
            let dropped = Rc::new(Cell::new(0));
            let (near, far) = tcp_pair().await;
            set.park([near], Instant::now() + 60 * SECOND, Ticket(Rc::clone(&dropped))).unwrap();
            if reset {
                far.set_zero_linger().unwrap();
            }
            drop(far);
            let mut woken = Vec::new();
            set.wake(&mut woken).await;
            assert_eq!((woken.len(), dropped.get(), set.len()), (0, 1, 0), "reset: {reset}");
        }
    });
}

#[test]
fn what_a_peer_said_before_it_left_is_not_lost() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let mut far = park(&set, 1, Instant::now() + 60 * SECOND).await;
        far.write_all(b"last words").await.unwrap();
        far.shutdown().await.unwrap();
        let mut words = Vec::new();
        next(&set).await[0].sockets[0].read_to_end(&mut words).await.unwrap();
        assert_eq!(words, b"last words");
    });
}

#[test]
fn all_that_wake_at_once_are_served_each_once() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let mut far = Vec::new();
        for number in 0..400 {
            far.push(park(&set, number, Instant::now() + 60 * SECOND).await);
        }
        for far in &mut far {
            far.write_all(b"x").await.unwrap();
        }
        let mut seen = Vec::new();
        while seen.len() < far.len() {
            let woken = next(&set).await;
            assert!(woken.len() <= BATCH);
            seen.extend(woken.into_iter().map(|woken| woken.ticket));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..400).collect::<Vec<_>>());
        assert!(set.is_empty());
    });
}

#[test]
fn each_expires_at_its_deadline_or_a_tick_later() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let begun = Instant::now();
        // The wheel reaches 102.4 s; the same slot is used by what lies a whole turn apart.
        let deadlines = [0.0, 0.05, 1.0, 1.01, 75.0, 102.3, 102.4, 103.4, 204.8, 3600.0];
        let mut far = Vec::new();
        for (number, seconds) in deadlines.into_iter().enumerate() {
            let number = u32::try_from(number).unwrap();
            far.push(park(&set, number, begun + Duration::from_secs_f64(seconds)).await);
        }
        let mut moments = deadlines.map(|seconds| [seconds - 0.001, seconds + 0.1]).concat();
        moments.sort_unstable_by(f64::total_cmp);
        for moment in moments {
            while set.expire(begun + Duration::from_secs_f64(moment.max(0.0))) {}
            let later_than = |moment: f64| deadlines.iter().filter(|deadline| **deadline > moment).count();
            assert!(set.len() >= later_than(moment), "too early at {moment}");
            assert!(set.len() <= later_than(moment - 0.1001), "too late at {moment}");
        }
        assert_eq!(set.next_expiry(), None);
        for far in &mut far {
            assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_long_sleep_between_two_looks_loses_no_deadline() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let begun = Instant::now();
        assert!(!set.expire(begun + 10_000 * SECOND));
        let _late = park(&set, 1, begun + SECOND).await;
        let _far = park(&set, 2, begun + 10_050 * SECOND).await;
        assert!(set.next_expiry().unwrap() <= begun + 10_000 * SECOND + TICK, "what is late is due next");
        assert!(!set.expire(begun + 20_000 * SECOND));
        assert_eq!((set.len(), set.next_expiry()), (0, None));
    });
}

#[test]
fn closing_takes_all_in_batches() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let mut far = Vec::new();
        for number in 0..300 {
            far.push(park(&set, number, Instant::now() + SECOND * number).await);
        }
        let mut batches = 0;
        while set.close_some() {
            batches += 1;
        }
        assert_eq!((batches, set.len()), (300 / BATCH, 0));
        for far in &mut far {
            assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
        }
    });
}

/// Against a plain map, with places and slots used again and again.
#[test]
fn the_one_that_was_parked_first_is_closed_first_unless_it_is_about_to_wake() {
    in_worker(async {
        let set = ParkedSet::<_>::new().unwrap();
        let now = Instant::now();
        let dropped = Rc::new(Cell::new(0));
        let (mut far, mut twins) = (Vec::new(), Vec::new());
        // The order in which they expire is another one.
        for seconds in [9, 3, 7, 5] {
            let (near, peer) = tcp_pair().await;
            twins.push(StdStream::from(near.as_fd().try_clone_to_owned().unwrap()));
            set.park([near], now + seconds * SECOND, Ticket(Rc::clone(&dropped))).unwrap();
            far.push(peer);
        }
        far[1].write_all(b"x").await.unwrap();
        while twins[1].peek(&mut [0]).is_err() {
            tokio::task::yield_now().await;
        }
        // While they are open nobody's end is seen.
        drop(twins);
        for (closed, left) in [(0, 3), (2, 2), (3, 1)] {
            assert!(set.close_oldest());
            assert_eq!(far[closed].read(&mut [0]).await.unwrap(), 0, "number {closed}");
            assert_eq!((set.len(), dropped.get()), (left, 4 - left));
        }
        assert!(!set.close_oldest(), "it has said something");
        let woken = next(&set).await;
        assert_eq!((woken.len(), set.len()), (1, 0));
        assert!(!set.close_oldest());
        park_again(&set, woken).await;
        assert!(set.close_oldest() && !set.close_oldest(), "it had been read");
    });
}

/// Parks what has woken, once its byte is read.
async fn park_again(set: &ParkedSet<Ticket>, mut woken: Vec<Woken<Ticket>>) {
    let Woken { sockets: [mut tcp], ticket, deadline } = woken.remove(0);
    tcp.read_exact(&mut [0]).await.unwrap();
    set.park([tcp], deadline, ticket).unwrap();
}

#[test]
fn records_are_found_by_key_and_by_deadline_whatever_the_order() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let begun = std::time::Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    let mut records = Records::new(begun);
    let mut model: HashMap<u32, (u32, Duration)> = HashMap::new();
    let mut now = Duration::ZERO;
    for number in 0..4000 {
        match random.u32(0..10) {
            0..5 => {
                let deadline = now + Duration::from_millis(random.u64(0..250_000));
                let key = records.next_key();
                records.insert([socket.try_clone().unwrap()], begun + deadline, number);
                assert!(model.insert(key, (number, deadline)).is_none(), "a key that is taken");
            }
            5..8 => {
                let key = random.u32(0..model.len().max(4) as u32);
                let taken = records.take(key).map(|record| record.ticket);
                assert_eq!(taken, model.remove(&key).map(|(number, _)| number));
            }
            _ => {
                now += Duration::from_millis(random.u64(0..20_000));
                while let Some(record) = records.take_expired(begun + now) {
                    let due = records.deadline(&record) - begun;
                    let entry = *model.iter().find(|(_, (number, _))| *number == record.ticket).unwrap().0;
                    let (_, deadline) = model.remove(&entry).unwrap();
                    assert!(deadline <= now && due <= now, "{deadline:?} of {now:?}");
                }
                assert!(model.values().all(|(_, deadline)| *deadline + TICK > now));
                let earliest = model.values().map(|(_, deadline)| *deadline).min();
                let next = records.next_expiry().map(|next| next - begun);
                assert_eq!(next.is_some(), earliest.is_some());
                assert!(next <= earliest.map(|earliest| earliest + TICK), "{next:?} for {earliest:?}");
            }
        }
        assert_eq!(records.len(), model.len());
    }
    while records.take_any().is_some() {}
    assert_eq!((records.len(), records.next_key(), records.next_expiry()), (0, 0, None));
}
