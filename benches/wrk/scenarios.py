"""What is measured, with whom, and what corsair should cost beside each peer."""
from dataclasses import dataclass, field
from typing import Callable

import loads
from peers import BULK, LOAD, TLS, Setting
from stage import APART, EVERYWHERE, TOGETHER


def per_request(sample):
    return sample.cpu / max(sample.load.count, 1) * 1e6


def per_gb(sample):
    return sample.cpu


def memory(sample):
    return sample.load.memory


def p50(sample):
    return sample.load.p50 * 1e3


def p99(sample):
    return sample.load.p99 * 1e3


def p99_ms(sample):
    return sample.load.p99


@dataclass(frozen=True)
class View:
    """One figure of a scenario: a row of the table."""
    title: str
    unit: str
    value: Callable  # sample → number, the less the better
    goals: dict = field(default_factory=dict)  # peer → the most that corsair's figure may be, as a part of the peer's
    limit: float = 0  # the most that it may be by itself; 0 is no limit
    subject: str = "corsair"
    added: bool = False  # what the origin alone takes is subtracted

    @property
    def is_time_on_core(self):
        return self.value in (per_request, per_gb)


@dataclass(frozen=True)
class Scenario:
    """What a load is, who takes it, and what is looked at."""
    name: str
    load: Callable  # target, seconds → Load
    views: tuple
    peers: tuple = ("nginx", "haproxy", "corsair")
    setting: Setting = Setting()
    placement: str = APART
    warm: bool = True  # a second of the same load goes before
    steady: bool = False  # what is looked at does not drift: few rounds are enough

    @property
    def needs_direct(self):
        return any(view.added for view in self.views)


def row(title, unit, value, limit=0, subject="corsair", added=False, **goals):
    return View(title, unit, value, {name.replace("_", "-"): goal for name, goal in goals.items()}, limit, subject, added)


def requests(name, title, load, views=(), extra=(), setting=Setting(), placement=APART, **goals):
    """A scenario whose figure is CPU time per request."""
    return Scenario(name, load, (row(title, "µs/request", per_request, **goals), *views),
                    (*extra, "nginx", "haproxy", "corsair"), setting, placement)


def small(name, title, kind, connections=64, views=(), extra=(), **goals):
    """A scenario whose figure is CPU time per request, with a load that leaves the proxy nothing to wait for."""
    return Scenario(name, loads.saturated(kind, connections), (row(title, "µs/request", per_request, **goals), *views),
                    (*extra, "nginx", "haproxy", "corsair"), Setting(upstream=LOAD), warm=False)


def quiet(name, title):
    """A scenario whose figure is the memory that a stream takes while nothing moves on it."""
    return Scenario(name, loads.quiet(name), (row(title, "KiB each", memory, nginx=1.0),),
                    setting=Setting(upstream=LOAD), warm=False, steady=True)


def transfer(name, title, load, extra, **goals):
    """A scenario whose figure is CPU time per GB."""
    return Scenario(name, load, (row(title, "s/GB", per_gb, **goals),), (*extra, "nginx", "haproxy", "corsair"),
                    Setting(upstream=BULK), TOGETHER, warm=False)


SPLICE = ("hyper", "haproxy-splice")
FLOOR = ("relay", "hyper")

SCENARIOS = {scenario.name: scenario for scenario in [
    small("plain", "GET 1 KB, 64 connections", "plain", extra=FLOOR, nginx=0.85, haproxy=0.82),
    small("browser", "a browser's GET, 64 connections", "browser", extra=FLOOR, nginx=0.85, haproxy=0.82),
    small("plain-1000", "GET 1 KB, 1000 connections", "plain", 1000, nginx=0.82, haproxy=0.80,
          views=(row("GET 1 KB, 1000 connections: p99", "ms", p99_ms, nginx=1.0, haproxy=1.0),)),
    small("browser-1000", "a browser's GET, 1000 connections", "browser", 1000, nginx=0.82, haproxy=0.80),
    small("preflight", "preflight, answered at the edge", "preflight", nginx=0.85),
    small("10k", "GET 10 KB, 64 connections", "10k"),
    small("close", "GET 1 KB, a connection each", "close", nginx=0.97, haproxy=1.0),
    requests("get-100k", "GET 100 KB", loads.wrk("/100k", 32), extra=SPLICE, placement=TOGETHER, nginx=0.65, haproxy_splice=1.0),
    requests("get-1m", "GET 1 MB", loads.wrk("/1m", 16), extra=SPLICE, placement=TOGETHER, nginx=0.45, haproxy_splice=1.0),
    transfer("download", "download, length", loads.bulk("GET", False), SPLICE, nginx=0.50, haproxy_splice=0.80),
    transfer("upload", "upload, length", loads.bulk("POST", False), SPLICE, nginx=0.55, haproxy_splice=0.95),
    transfer("download-chunked", "download, chunked", loads.bulk("GET", True), ("hyper",), nginx=0.62, haproxy=0.75),
    transfer("upload-chunked", "upload, chunked", loads.bulk("POST", True), ("hyper",), nginx=0.62, haproxy=0.75),
    requests("tls-get-1k", "GET 1 KB, TLS to the client", loads.wrk("/1k", 64), setting=Setting(tls=True),
             nginx=0.88, haproxy=0.78),
    requests("tls-handshake", "TLS handshake and GET 1 KB", loads.wrk("/1k", 32, close=True), setting=Setting(tls=True),
             nginx=0.85, haproxy=0.72),
    requests("up-tls-get-1k", "GET 1 KB, TLS to the upstream", loads.wrk("/1k", 64), setting=Setting(upstream=TLS),
             nginx=0.80, haproxy=0.80),
    Scenario("gateway", loads.saturated("plain", 64), (row("gateway, GET 1 KB", "µs/request", per_request, cors_anywhere=0.04),),
             ("cors-anywhere", "corsair"), Setting(upstream=LOAD, gateway=True), warm=False),
    Scenario("latency", loads.fixed_rate("/1k", 32, 1000),
             (row("latency added at 1000/s, p50", "µs", p50, added=True, nginx=0.85),
              row("latency added at 1000/s, p99", "µs", p99, added=True, nginx=0.70)), warm=False),
    Scenario("two-workers", loads.saturated("plain", 64),
             (row("GET 1 KB, two workers", "µs/request", per_request, subject="corsair-two", corsair=1.05),),
             ("corsair-two", "corsair"), Setting(upstream=LOAD), EVERYWHERE, warm=False),
    quiet("waiting", "a long poll that waits, of 3000"),
    quiet("events", "an event stream at rest, of 3000"),
    quiet("websocket", "a WebSocket at rest, of 3000"),
    Scenario("idle-8k", loads.idle,
             (row("8000 idle connections", "KiB each", memory, limit=0.2, nginx=0.25, haproxy=0.20),), warm=False, steady=True),
    Scenario("base-memory", loads.base_memory, (row("memory of the process", "MiB", memory, limit=10),), warm=False, steady=True),
]}
