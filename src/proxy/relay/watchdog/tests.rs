//! Exchanges that stand still, and when that is noticed.

use std::future::poll_fn;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn timeouts() -> Timeouts {
    Timeouts {
        body_idle: 8 * SECOND,
        response: 16 * SECOND,
        upstream_idle: 24 * SECOND,
        send: 32 * SECOND,
        min_rate: 0,
        ..crate::config::sample::defaults().timeouts
    }
}

/// The limit that is exceeded, and when; nothing within an hour.
async fn expiry(timeouts: &Timeouts, state: &ExchangeState) -> Option<(Error, Duration)> {
    let begun = Instant::now();
    let mut timer = Timer::default();
    let mut watchdog = Watchdog::new(timeouts);
    let expired = poll_fn(|cx| watchdog.poll_expired(cx, &mut timer, timeouts, state));
    let error = tokio::time::timeout(3600 * SECOND, expired).await.ok()?;
    Some((error, begun.elapsed()))
}

/// Calls `step` every `pause`, for ever.
async fn every(pause: Duration, mut step: impl FnMut()) -> Option<(Error, Duration)> {
    loop {
        tokio::time::sleep(pause).await;
        step();
    }
}

/// [`expiry`] while something happens at the same time.
async fn expiry_while(
    timeouts: &Timeouts,
    state: &ExchangeState,
    meanwhile: impl Future<Output = Option<(Error, Duration)>>,
) -> Option<(Error, Duration)> {
    tokio::select! {
        expired = expiry(timeouts, state) => expired,
        never = meanwhile => never,
    }
}

/// Limits are noticed up to half a second late, and never early.
#[track_caller]
fn assert_expired(expired: Option<(Error, Duration)>, error: Error, after: Duration) {
    let (found, took) = expired.expect("something expires");
    assert_eq!(found, error);
    assert!(took >= after && took <= after + SECOND, "{error:?} after {took:?}, not {after:?}");
}

#[tokio::test(start_paused = true)]
async fn each_wait_has_its_own_limit() {
    let limits = timeouts();
    let still_uploading = ExchangeState::new();
    assert_expired(expiry(&limits, &still_uploading).await, Error::RequestBodyTimeout, limits.body_idle);

    let waiting = ExchangeState::new();
    waiting.upload.read_to_end();
    assert_expired(expiry(&limits, &waiting).await, Error::ResponseTimeout, limits.response);

    let answering = ExchangeState::new();
    answering.upload.read_to_end();
    answering.begin_response();
    assert_expired(expiry(&limits, &answering).await, Error::ResponseBodyTimeout, limits.upstream_idle);

    let not_taken_upstream = ExchangeState::new();
    not_taken_upstream.upload.held();
    assert_expired(expiry(&limits, &not_taken_upstream).await, Error::UpstreamSendTimeout, limits.send);

    let not_taken = ExchangeState::new();
    not_taken.upload.read_to_end();
    not_taken.begin_response();
    not_taken.download.held();
    assert_expired(expiry(&limits, &not_taken).await, Error::ClientSendTimeout, limits.send);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_waits_for_nothing_never_expires() {
    let state = ExchangeState::new();
    state.begin_response();
    state.upload.read_to_end();
    state.download.read_to_end();
    assert_eq!(expiry(&timeouts(), &state).await, None);
}

#[tokio::test(start_paused = true)]
async fn whatever_moves_is_not_standing_still() {
    let limits = timeouts();
    let state = ExchangeState::new();
    let moving = every(7 * SECOND, || state.upload.received(1));
    assert_eq!(expiry_while(&limits, &state, moving).await, None);

    let state = ExchangeState::new();
    state.upload.read_to_end();
    state.begin_response();
    let moving = every(23 * SECOND, || state.download.received(1));
    assert_eq!(expiry_while(&limits, &state, moving).await, None);
    // Interim responses do not put off the deadline of the final one.
    let state = ExchangeState::new();
    state.upload.read_to_end();
    let moving = every(15 * SECOND, || state.download.received(1));
    assert_expired(expiry_while(&limits, &state, moving).await, Error::ResponseTimeout, limits.response);
}

#[tokio::test(start_paused = true)]
async fn a_wait_counts_from_the_last_movement() {
    let limits = timeouts();
    let state = ExchangeState::new();
    let mut left = 3;
    let moving = every(5 * SECOND, || {
        if left > 0 {
            state.upload.received(1);
            left -= 1;
        }
    });
    let expired = expiry_while(&limits, &state, moving).await;
    assert_expired(expired, Error::RequestBodyTimeout, 15 * SECOND + limits.body_idle);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_trickles_is_cut_off_after_its_grace() {
    let limits = Timeouts { min_rate: 100, ..timeouts() };
    let state = ExchangeState::new();
    let trickle = every(SECOND, || state.upload.received(1));
    assert_expired(expiry_while(&limits, &state, trickle).await, Error::RequestBodyTimeout, 9 * SECOND);

    let state = ExchangeState::new();
    let enough = every(SECOND, || state.upload.received(100));
    assert_eq!(expiry_while(&limits, &state, enough).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_client_sends_counts_for_its_rate() {
    let limits = Timeouts { min_rate: 100, ..timeouts() };
    let state = ExchangeState::new();
    // Each byte comes in and leaves for the upstream: sixty bytes a second, not a hundred and twenty.
    let relayed = every(SECOND, || {
        state.upload.received(60);
        state.upload.wrote(60);
    });
    let expired = expiry_while(&limits, &state, relayed).await;
    assert!(matches!(expired, Some((Error::RequestBodyTimeout, _))), "{expired:?}");
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_upstream_takes_nothing_is_not_the_clients() {
    let limits = Timeouts { min_rate: 100, send: 600 * SECOND, ..timeouts() };
    let state = ExchangeState::new();
    state.upload.held();
    assert_expired(expiry(&limits, &state).await, Error::UpstreamSendTimeout, limits.send);
}

#[tokio::test(start_paused = true)]
async fn short_limits_are_noticed_soon() {
    let limits = Timeouts { body_idle: SECOND / 10, ..timeouts() };
    let (error, took) = expiry(&limits, &ExchangeState::new()).await.unwrap();
    assert_eq!(error, Error::RequestBodyTimeout);
    assert!(took >= limits.body_idle && took <= limits.body_idle * 5 / 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_quiet_for_as_long_as_nothing_has_moved() {
    let (limits, state) = (Timeouts { body_idle: 16 * SECOND, ..timeouts() }, ExchangeState::new());
    state.upload.read_to_end();
    state.begin_response();
    let (mut timer, mut watchdog) = (Timer::default(), Watchdog::new(&limits));
    let mut quiet = async |pace| {
        let noticed = poll_fn(|cx| watchdog.poll_notice(cx, &mut timer, &limits, &state, pace)).await;
        match noticed {
            Noticed::Quiet(quiet) => quiet.as_millis() / 100,
            Noticed::Expired(error) => panic!("{error:?}"),
        }
    };
    let mut long = 0;
    while long < LONG_QUIET.as_millis() / 100 {
        long += 5;
        assert_eq!(quiet(Pace::Close).await, long, "each half of a second it is told how long");
    }
    state.download.received(9);
    assert_eq!(quiet(Pace::Close).await, 5, "and counted anew from what moves");
    assert_eq!(quiet(Pace::Calm).await, 25, "in two seconds where nothing is on its way");
    assert_eq!(quiet(Pace::Close).await, 30);
}
