//! A client that sends at a fixed rate, whatever becomes of the answers.
//!
//! `open_loop ADDRESS TARGET CONNECTIONS RATE SECONDS` sends `RATE` requests per second in all, evenly spread
//! over so many keep-alive connections and over time. Latency counts from the moment at which a request
//! should have been sent: one that had to wait for a late answer before it is late itself, as it would be for
//! its user. Prints one line of JSON: requests, errors, and percentiles in microseconds.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// The first part of each run: connections open, caches fill. Not counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// So long before a request is due its thread stops sleeping, for sleep ends late.
const AWAKE: Duration = Duration::from_micros(100);

struct Schedule {
    begin: Instant,
    every: Duration,
    times: u32,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, target, connections, rate, seconds] = arguments.as_slice() else {
        return Err(io::Error::other("usage: open_loop ADDRESS TARGET CONNECTIONS RATE SECONDS"));
    };
    let number = |text: &String| text.parse::<u32>().map_err(io::Error::other);
    let (connections, rate, seconds) = (number(connections)?, number(rate)?, number(seconds)?);
    let begin = Instant::now() + Duration::from_millis(100);
    let every = Duration::from_secs(1) * connections / rate;
    let length = WARM_UP + Duration::from_secs(seconds.into());
    let times = u32::try_from(length.as_nanos() / every.as_nanos()).map_err(io::Error::other)?;
    let clients: Vec<_> = (0..connections)
        .map(|place| {
            let schedule = Schedule { begin: begin + every / connections * place, every, times };
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://app.example\r\n\r\n");
            let address = address.clone();
            thread::spawn(move || ask(&address, request.as_bytes(), &schedule, begin + WARM_UP))
        })
        .collect();
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for client in clients {
        match client.join().map_err(|_| io::Error::other("a client panicked"))? {
            Ok(mut measured) => latencies.append(&mut measured),
            Err(_) => errors += 1,
        }
    }
    latencies.sort_unstable();
    report(&latencies, errors);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what was asked for")]
fn report(latencies: &[Duration], errors: usize) {
    let at = |part: f64| {
        // Of a length that fits into memory: nothing is lost.
        let place = (latencies.len() as f64 * part) as usize;
        latencies
            .get(place.min(latencies.len().saturating_sub(1)))
            .map_or(0.0, |late| late.as_secs_f64() * 1e6)
    };
    let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
    let count = latencies.len();
    println!(
        r#"{{"count": {count}, "errors": {errors}, "p50": {p50:.1}, "p90": {p90:.1}, "p99": {p99:.1}, "p999": {p999:.1}}}"#
    );
}

/// Sends each request when it is due, or as soon as the answer before it is there; how late each was answered.
fn ask(address: &str, request: &[u8], schedule: &Schedule, count_from: Instant) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut room = vec![0; 64 << 10];
    let mut latencies = Vec::new();
    for number in 0..schedule.times {
        let due = schedule.begin + schedule.every * number;
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            if left > AWAKE {
                thread::park_timeout(left - AWAKE);
            } else {
                thread::yield_now();
            }
        }
        stream.write_all(request)?;
        read_response(&mut stream, &mut room)?;
        if due >= count_from {
            latencies.push(due.elapsed());
        }
    }
    Ok(latencies)
}

/// Reads one response with a length.
fn read_response(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let size = stream.read(&mut room[filled..])?;
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += size;
        let Some(head) = memchr::memmem::find(&room[..filled], b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&room[..head]).to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            return Err(io::Error::other("an answer other than 200"));
        }
        let length = text.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
        let length: usize =
            length.and_then(|text| text.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        if filled >= head + 4 + length {
            return Ok(());
        }
    }
}
