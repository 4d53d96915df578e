//! Two peers and the relay between them.

use std::pin::Pin;

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
};

use super::*;
use crate::net::{
    buffer::BufferPool,
    testing::{in_worker, tcp_pair},
};

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: TunnelLimits = TunnelLimits {
    idle: Duration::from_secs(100),
    half_closed: Duration::from_secs(20),
    send: SECOND,
    buffer: 1024,
};

/// The client and the upstream as they see the tunnel, and its two ends.
struct Ends {
    client: UnixStream,
    upstream: UnixStream,
    near: (Stream, Stream),
}

fn ends() -> Ends {
    let (client_near, client) = UnixStream::pair().unwrap();
    let (upstream_near, upstream) = UnixStream::pair().unwrap();
    Ends { client, upstream, near: (Stream::Unix(client_near), Stream::Unix(upstream_near)) }
}

fn buffered(bytes: &[u8]) -> Buffer {
    let mut buffer = BufferPool::new(64).take();
    buffer.push(bytes);
    buffer
}

async fn run(
    near: (Stream, Stream),
    early: (Option<Buffer>, Option<Buffer>),
) -> (Tunnelled, Result<(), Error>) {
    let (mut client, mut upstream) = near;
    let pipes = PipePool::new(2);
    let buffers = BufferPool::new(64 << 10);
    let means = (LIMITS, &pipes, &buffers);
    let (moved, end) =
        tunnel(&mut client, &mut upstream, early, &mut Timer::default(), means, (false, None)).await;
    let TunnelEnd::Over(result) = end else { panic!("it may not rest") };
    assert_eq!(buffers.taken(), 0, "so have buffers");
    assert!(!cfg!(target_os = "linux") || !pipes.is_exhausted(), "what was taken has been given back");
    (moved, result)
}

#[tokio::test]
async fn what_came_early_goes_first_and_both_directions_are_counted() {
    let Ends { mut client, mut upstream, near } = ends();
    let early = (Some(buffered(b"early up ")), Some(buffered(b"early down ")));
    let peers = async {
        client.write_all(b"up").await.unwrap();
        upstream.write_all(b"down").await.unwrap();
        let mut up = [0; 11];
        upstream.read_exact(&mut up).await.unwrap();
        let mut down = [0; 15];
        client.read_exact(&mut down).await.unwrap();
        assert_eq!((&up, &down), (b"early up up", b"early down down"));
        drop((client, upstream));
    };
    let ((moved, result), ()) = tokio::join!(run(near, early), peers);
    assert_eq!((moved.to_upstream, moved.to_client, result), (11, 15, Ok(())));
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_holds_no_buffer() {
    let Ends { mut client, mut upstream, near: (mut near, mut far) } = ends();
    let (pipes, buffers) = (PipePool::new(2), BufferPool::new(64 << 10));
    let mut timer = Timer::default();
    let means = (LIMITS, &pipes, &buffers);
    let relay = tunnel(&mut near, &mut far, (None, None), &mut timer, means, (false, None));
    let peers = async {
        for _ in 0..3 {
            let mut room = [0; 4];
            client.write_all(b"ping").await.unwrap();
            upstream.read_exact(&mut room).await.unwrap();
            upstream.write_all(b"pong").await.unwrap();
            client.read_exact(&mut room).await.unwrap();
            assert_eq!((buffers.taken(), buffers.free()), (0, 1), "it was the same one each time");
        }
    };
    tokio::select! {
        ended = relay => panic!("it ended: {:?}", ended.1),
        () = peers => {}
    }
}

#[tokio::test]
async fn half_close_passes_in_each_direction_and_the_other_goes_on() {
    for client_first in [true, false] {
        let Ends { client, upstream, near } = ends();
        let (mut first, mut second) = if client_first { (client, upstream) } else { (upstream, client) };
        let peers = async {
            first.write_all(b"question").await.unwrap();
            first.shutdown().await.unwrap();
            let mut read = Vec::new();
            second.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, b"question");
            second.write_all(b"answer").await.unwrap();
            second.shutdown().await.unwrap();
            read.clear();
            first.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, b"answer");
        };
        let ((moved, result), ()) = tokio::join!(run(near, (None, None)), peers);
        let counted = if client_first { (8, 6) } else { (6, 8) };
        assert_eq!(((moved.to_upstream, moved.to_client), result), (counted, Ok(())));
    }
}

#[tokio::test]
async fn more_than_any_buffer_holds_arrives_whole() {
    let Ends { mut client, mut upstream, near } = ends();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let write = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client
    };
    let read = async {
        let mut read = Vec::new();
        upstream.read_to_end(&mut read).await.unwrap();
        drop(upstream);
        read
    };
    let ((moved, result), _client, read) = tokio::join!(run(near, (None, None)), write, read);
    assert!(read == sent && moved.to_upstream == 1_000_000 && result.is_ok());
}

/// Between plain TCP connections bulk goes through pipes.
#[test]
fn what_goes_through_pipes_arrives_whole_both_ways_at_once() {
    in_worker(async {
        let ((client_near, mut client), (upstream_near, mut upstream)) = (tcp_pair().await, tcp_pair().await);
        let sent: Vec<u8> =
            (0..8_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let converse = async |peer: &mut tokio::net::TcpStream| {
            let (mut read, mut write) = peer.split();
            let writing = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut come = Vec::new();
            let (_, end) = tokio::join!(writing, read.read_to_end(&mut come));
            end.unwrap();
            come
        };
        let near = (Stream::Tcp(client_near), Stream::Tcp(upstream_near));
        let ((moved, result), down, up) =
            tokio::join!(run(near, (None, None)), converse(&mut client), converse(&mut upstream));
        assert!(up == sent && down == sent);
        assert_eq!((moved.to_client, moved.to_upstream, result), (8_000_000, 8_000_000, Ok(())));
    });
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_in_which_nothing_moves_ends() {
    let Ends { client, upstream, near } = ends();
    let begun = Instant::now();
    let (moved, result) = run(near, (None, None)).await;
    let took = begun.elapsed();
    assert!(took >= LIMITS.idle && took <= LIMITS.idle + 2 * SECOND, "{took:?}");
    assert_eq!((moved.to_client, moved.to_upstream, result), (0, 0, Ok(())));
    drop((client, upstream));
}

#[tokio::test(start_paused = true)]
async fn movement_in_either_direction_keeps_it_open() {
    let Ends { mut client, mut upstream, near } = ends();
    let begun = Instant::now();
    let peers = async {
        for _ in 0..5 {
            tokio::time::sleep(90 * SECOND).await;
            upstream.write_all(b"x").await.unwrap();
            client.read_exact(&mut [0; 1]).await.unwrap();
        }
    };
    let ((moved, _), ()) = tokio::join!(run(near, (None, None)), peers);
    let took = begun.elapsed();
    assert_eq!(moved.to_client, 5);
    assert!(took >= 550 * SECOND && took <= 553 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_of_which_one_direction_has_ended_has_less_time() {
    let Ends { mut client, upstream, near } = ends();
    let begun = Instant::now();
    client.shutdown().await.unwrap();
    run(near, (None, None)).await.1.unwrap();
    let took = begun.elapsed();
    assert!(took >= LIMITS.half_closed && took <= LIMITS.half_closed + 2 * SECOND, "{took:?}");
    drop((client, upstream));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_what_came_early_ends_it() {
    let Ends { client, upstream, near } = ends();
    let (mut near_client, near_upstream) = near;
    // Fill the way to the client.
    while poll_fn(|cx| Poll::Ready(Pin::new(&mut near_client).poll_write(cx, &[0; 4096]).is_ready())).await {}
    let begun = Instant::now();
    let (moved, result) =
        run((near_client, near_upstream), (Some(buffered(b"up")), Some(buffered(b"down")))).await;
    assert_eq!((moved.to_upstream, moved.to_client), (2, 0));
    assert_eq!(result, Err(Error::ClientSendTimeout));
    assert!(begun.elapsed() >= LIMITS.send);
    drop((client, upstream));
}

#[tokio::test]
async fn the_end_that_fails_is_the_one_it_is_recorded_of() {
    for (client_fails, error) in [(true, Error::ClientGone), (false, Error::ResponseIncomplete)] {
        let Ends { mut client, mut upstream, near } = ends();
        let peers = async {
            let (gone, other) = if client_fails { (client, &mut upstream) } else { (upstream, &mut client) };
            drop(gone);
            // Its end is passed on, and what the other says then cannot be written any more.
            other.read_to_end(&mut Vec::new()).await.unwrap();
            other.write_all(b"to nobody").await.unwrap();
        };
        let ((_, result), ()) = tokio::join!(run(near, (None, None)), peers);
        assert_eq!(result, Err(error));
    }
}
