"""The loads: what is asked of a proxy, how often, and what came of it.

Small requests come from `benches/load`, which is clients and origin in one and does so little that the proxy is what is
full; so do streams that say nothing. wrk is the load where bodies are long, and where TLS is, for it speaks that.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field

import bulk as gigabyte
import processes
from stage import LOAD_PROGRAM, TREE

ORIGIN_FIELD = ["-H", "Origin: http://app.example"]
IDLE_CONNECTIONS = 8000
QUIET_STREAMS = 3000
SETTLED, SETTLED_LONG = 3, 8  # seconds until memory that is given back is given back


@dataclass
class Target:
    """Where a load goes."""
    port: int
    tls: bool
    cores: list  # of the load
    upstream: int  # the port of the origin
    path: str = ""  # before the path of the request, for gateways
    process: object = None  # the proxy
    meter: processes.Meter = field(default_factory=processes.Meter)  # of the proxy


@dataclass
class Load:
    """What a load has come to."""
    count: float
    rate: float  # requests, MiB or connections, per second or in all
    p50: float = 0  # ms
    p99: float = 0  # ms
    errors: int = 0
    memory: float = 0  # KiB per connection, or MiB of the process


def saturated(kind, connections):
    """Requests as fast as they are answered, both ends in one thread."""
    def load(target, seconds):
        path = [f"{target.path}/1k"] if target.path else []
        with Ends("saturate", target, kind, connections, seconds, *path) as program:
            program.hear("ready")
            with target.meter:
                program.go_on()
                program.hear("over")
            said = program.hear_figures()
        target.meter.wall = said["seconds"]
        return Load(said["answers"], said["answers"] / said["seconds"], said["p50"], said["p99"], said["errors"])
    return load


def quiet(kind):
    """What one stream on which nothing moves adds to the memory of the proxy."""
    def load(target, _seconds):
        with Ends("quiet", target, kind, QUIET_STREAMS) as program:
            program.hear("ready")
            time.sleep(SETTLED)
            base = processes.memory_mib(target.process.pid, "RssAnon")
            program.go_on()
            program.hear_figures()
            time.sleep(SETTLED_LONG)
            grown = processes.memory_mib(target.process.pid, "RssAnon") - base
            program.go_on()
            said = program.hear_figures()
        missing = max(QUIET_STREAMS - said["open"], said["errors"])
        return Load(said["open"], said["open"], errors=missing, memory=grown * 1024 / QUIET_STREAMS)
    return load


class Ends:
    """`benches/load` while a `with` block runs: it goes on when it is told to, and says how far it is."""

    def __init__(self, mode, target, kind, *numbers):
        words = [str(LOAD_PROGRAM), mode, f"127.0.0.1:{target.upstream}", f"127.0.0.1:{target.port}", kind, *map(str, numbers)]
        self.command = ["taskset", "-c", ",".join(map(str, target.cores)), *words]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.communicate()

    def go_on(self):
        with contextlib.suppress(BrokenPipeError):  # it has ended: the next line says so
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def hear(self, word):
        said = self.line()
        if said != word:
            raise processes.Failed(f"{' '.join(self.command)} said {said!r}, not {word!r}")

    def hear_figures(self):
        return json.loads(self.line())

    def line(self):
        said = self.process.stdout.readline()
        if not said:
            raise processes.Failed(f"{' '.join(self.command)} ended: {self.process.stderr.read()[-800:]}")
        return said.strip()


def wrk(path, connections, close=False):
    """Keep-alive GETs as fast as they are answered; `close` opens a connection for each."""
    def load(target, seconds):
        url = f"{'https' if target.tls else 'http'}://127.0.0.1:{target.port}{target.path}{path}"
        command = ["taskset", "-c", ",".join(map(str, target.cores)), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                   "--latency", "--timeout", "10s", *ORIGIN_FIELD]
        command += ["-H", "Connection: close"] if close else []
        with target.meter:
            said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        return read_wrk(said)
    return load


def read_wrk(said):
    def number(pattern):
        found = re.search(pattern, said)
        return float(found[1]) if found else 0

    def milliseconds(percentile):
        found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)\n", said)
        return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]] if found else 0

    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", said)))
    errors += int(number(r"Non-2xx or 3xx responses: (\d+)"))
    return Load(number(r"(\d+) requests in"), number(r"Requests/sec:\s+([\d.]+)"), milliseconds(50), milliseconds(99), errors)


def bulk(method, chunked):
    """One GB, from this process."""
    def load(target, _seconds):
        home = os.sched_getaffinity(0)
        os.sched_setaffinity(0, target.cores)
        try:
            with target.meter:
                took = gigabyte.transfer(target.port, method, chunked)
        finally:
            os.sched_setaffinity(0, home)
        return Load(1, 1024 / took if took else 0, errors=0 if took else 1)
    return load


def fixed_rate(path, connections, rate):
    """GETs at a fixed rate whatever becomes of the answers; latency counts from when each was due."""
    program = str(TREE / "target/release/examples/open_loop")

    def load(target, seconds):
        command = ["taskset", "-c", ",".join(map(str, target.cores)), program, f"127.0.0.1:{target.port}", path,
                   str(connections), str(rate), str(seconds)]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return Load(said["count"], said["count"] / seconds, said["p50"] / 1e3, said["p99"] / 1e3, said["errors"])
    return load


def open_idle(port, count):
    """Opens keep-alive connections, one request on each, and leaves them idle; how many were answered."""
    opened, answered = [], 0
    for number in range(count):
        connection = socket.socket()
        # One address has too few ports for all of them.
        connection.bind((f"127.0.0.{2 + number % 4}", 0))
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /1k HTTP/1.1\r\nHost: a\r\n\r\n")
        opened.append(connection)
    for connection in opened:
        data = b""
        while len(data.partition(b"\r\n\r\n")[2]) < 1024 and (part := connection.recv(65536)):
            data += part
        answered += data.startswith(b"HTTP/1.1 200")
    return opened, answered


def idle(target, _seconds):
    """What one waiting connection adds to the memory of the proxy."""
    opened, _ = open_idle(target.port, 200)  # what the first ones cost is no connection's
    time.sleep(SETTLED)
    base = processes.memory_mib(target.process.pid)
    more, answered = open_idle(target.port, IDLE_CONNECTIONS)
    time.sleep(SETTLED)  # what they cost while they wait
    grown = processes.memory_mib(target.process.pid) - base
    for connection in opened + more:
        connection.close()
    missing = IDLE_CONNECTIONS - answered
    return Load(answered, answered, errors=missing, memory=grown * 1024 / IDLE_CONNECTIONS)


def base_memory(target, _seconds):
    """What the process has resident once it has served a request."""
    opened, answered = open_idle(target.port, 1)
    memory = processes.memory_mib(target.process.pid)
    for connection in opened:
        connection.close()
    return Load(answered, answered, errors=1 - answered, memory=memory)
