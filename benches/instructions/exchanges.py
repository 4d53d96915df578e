"""Requests one after the other on one keep-alive connection, through a proxy that is watched."""
import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

import counting
import processes
from peers import BULK, Setting
from stage import Stage

FEW, MANY = 300, 1300  # requests
# What a start with thousands of routes costs differs by a million, as the hashes of that run fall out.
VERY_MANY = 20_300
# Programs start slowly where every instruction is counted.
PATIENCE = 120.0
# Until a program that was told to end has ended, and until it is told once more: a signal that comes just before nginx
# waits for events is seen at the next event, and where every instruction is counted "just before" is long.
ENDING, AGAIN = 60.0, 2.0
ORIGIN = b"Origin: http://app.example\r\n"
# What Chromium sends with a request across origins.
BROWSER = (
    b"Connection: keep-alive\r\nsec-ch-ua-platform: \"Linux\"\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n"
    b"sec-ch-ua: \"Chromium\";v=\"156\", \"Not=A?Brand\";v=\"24\"\r\nContent-Type: application/json\r\n"
    b"sec-ch-ua-mobile: ?0\r\nAccept: */*\r\n" + ORIGIN +
    b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: http://app.example/\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
)
PREFLIGHT = b"Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-token\r\n"


@dataclass(frozen=True)
class Kind:
    """One kind of request."""
    method: bytes
    fields: bytes
    body: int  # bytes of the answer's
    gateway: bool = False
    routes: int = 0
    peers: tuple = ("corsair", "nginx", "haproxy")

    def request(self, stage):
        target = b"/1024"
        if self.gateway:
            target = b"/?url=http://127.0.0.1:%d/1024" % stage.ports[BULK]
        return self.method + b" " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + self.fields + b"\r\n"


KINDS = {
    "get-1k": Kind(b"GET", ORIGIN, 1024),
    "browser-get-1k": Kind(b"GET", BROWSER, 1024),
    "preflight": Kind(b"OPTIONS", ORIGIN + PREFLIGHT, 0),
    "gateway-get-1k": Kind(b"GET", ORIGIN, 1024, gateway=True, peers=("corsair",)),
    "routes-10-get-1k": Kind(b"GET", ORIGIN, 1024, routes=10, peers=("corsair",)),
    "routes-5000-get-1k": Kind(b"GET", ORIGIN, 1024, routes=5000, peers=("corsair",)),
}


def watched(peer, kind, times, words):
    """Runs a proxy behind these words, asks it so often, and ends it; what was written to stderr."""
    with Stage() as stage:
        stage.start_bulk()
        setting = Setting(upstream=BULK, gateway=kind.gateway, routes=kind.routes, single_process=True)
        with subprocess.Popen([*words, *peer.command(stage, setting)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, start_new_session=True, text=True) as process:
            try:
                processes.wait_for_port(stage.ports["listen"], process, PATIENCE)
                ask(stage.ports["listen"], kind.request(stage), kind.body, times)
                return ended(process, f"{peer.title} under {words[0]}")
            finally:
                # Its whole group: a program may outlive the one that watches it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def ended(process, who):
    """Ends a program; what it has written to stderr."""
    deadline = time.monotonic() + ENDING
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            return process.communicate(timeout=AGAIN)[1]
        except subprocess.TimeoutExpired:
            pass
    raise processes.Failed(f"{who} did not end within {ENDING:.0f} s")


def ask(port, request, body, times):
    """Sends a request as soon as the answer before it is complete."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        for _ in range(times):
            connection.sendall(request)
            data = b""
            while not (end := data.find(b"\r\n\r\n")) > 0 or len(data) < end + 4 + body:
                part = connection.recv(65536)
                if not part:
                    raise RuntimeError(f"the connection ended after {data!r}")
                data += part
            if not data.startswith(b"HTTP/1.1 20"):
                raise RuntimeError(f"no success: {data[:200]!r}")


def instructions(peer, kind):
    """Instructions of one request."""
    return counting.each(lambda times: counting.collected(watched(peer, KINDS[kind], times, counting.CALLGRIND)), FEW, VERY_MANY)


def system_calls(peer, kind):
    """System calls of one request, by name; those that come once in a while are left out."""
    counts = []
    for times in (FEW, MANY):
        with counting.report_file() as report:
            watched(peer, KINDS[kind], times, counting.strace(report.name))
            counts.append(counting.calls(report.name))
    few, many = counts
    each = {name: (count - few.get(name, 0)) / (MANY - FEW) for name, count in many.items()}
    return {name: count for name, count in sorted(each.items(), key=lambda item: -item[1]) if count >= 0.01}


def both(peer, kind):
    """Instructions and system calls of one request; where something was not counted, why, as a text."""
    return attempt(instructions, peer, kind), attempt(system_calls, peer, kind)


def attempt(count, peer, kind):
    try:
        return count(peer, kind)
    except (processes.Failed, OSError, RuntimeError) as failure:
        return str(failure)
