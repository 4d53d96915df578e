"""The loads: what is asked of a proxy, how often, and what came of it."""
import json
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass

import bulk as gigabyte
import processes
from stage import HERE, TREE

ORIGIN_FIELD = ["-H", "Origin: http://app.example"]
IDLE_CONNECTIONS = 8000


@dataclass
class Target:
    """Where a load goes."""
    port: int
    tls: bool
    cores: list  # of the load
    path: str = ""  # before the path of the request, for gateways
    process: object = None  # the proxy, where its memory is what counts


@dataclass
class Load:
    """What a load has come to."""
    count: float
    rate: float  # requests, MiB or connections, per second or in all
    p50: float = 0  # ms
    p99: float = 0  # ms
    errors: int = 0
    memory: float = 0  # KiB per connection, or MiB of the process


def wrk(path, connections, close=False, script=None):
    """Keep-alive GETs as fast as they are answered; `close` opens a connection for each."""
    def load(target, seconds):
        url = f"{'https' if target.tls else 'http'}://127.0.0.1:{target.port}{target.path}{path}"
        command = ["taskset", "-c", ",".join(map(str, target.cores)), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                   "--latency", "--timeout", "10s", *(["-s", str(HERE / "peers" / script)] if script else ORIGIN_FIELD)]
        command += ["-H", "Connection: close"] if close else []
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
    time.sleep(3)
    base = processes.memory_mib(target.process.pid)
    more, answered = open_idle(target.port, IDLE_CONNECTIONS)
    time.sleep(3)  # settled: what they cost while they wait
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
