"""Starting programs on a core of their own, and what the kernel counts of them."""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 10.0  # seconds for a program to listen, or to end


class Failed(Exception):
    """A program did not do what it was started for."""


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(command, cores=None, **options):
    """Starts a program, on these cores alone if any are named, in a process group of its own."""
    pin = ["taskset", "-c", ",".join(map(str, cores))] if cores is not None else []
    return subprocess.Popen([*pin, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, start_new_session=True, text=True, **options)


def wait_for_port(port, process, patience=PATIENCE):
    """Returns once somebody listens; the program that should may not end before."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            said = process.stderr.read()[-800:]
            raise Failed(f"{process.args[0]} ended with {process.returncode}: {said}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"{process.args}: port {port} did not open")


def stop(process):
    """Ends a program and everything it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    process.stderr.close()


def tree(pid):
    """A process and all its descendants."""
    found, queue = [], [pid]
    while queue:
        pid = queue.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                queue += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            pass  # it has ended
    return found


def cpu_seconds(pid):
    """Seconds on a core, of every thread of the tree, in nanoseconds' resolution."""
    total = 0
    for pid in tree(pid):
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        except OSError:
            pass
    return total / 1e9


def kernel_seconds(pid):
    """The part of it spent in the kernel, in clock ticks' resolution."""
    total = 0
    for pid in tree(pid):
        try:
            total += int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[12])
        except OSError:
            pass
    return total / CLOCK_TICKS


class Meter:
    """What the kernel counts of a process while a `with` block runs, the last one if there are several; nothing without
    a process."""

    def __init__(self, pid=None):
        self.pid = pid
        self.cpu = self.kernel = self.wall = 0.0  # seconds

    def __enter__(self):
        self.before = self.reading()

    def __exit__(self, *failure):
        self.cpu, self.kernel, self.wall = (after - before for before, after in zip(self.before, self.reading()))

    def reading(self):
        counted = (cpu_seconds(self.pid), kernel_seconds(self.pid)) if self.pid else (0.0, 0.0)
        return *counted, time.monotonic()


def memory_mib(pid, field="VmRSS"):
    """Resident memory of the tree, its peak with `VmHWM`, or what is no file's and not shared with `RssAnon`; pages
    shared by processes count in each."""
    total = 0
    for pid in tree(pid):
        try:
            found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) if found else 0
        except OSError:
            pass
    return total / 1024


def version(command, pattern):
    """What a program says its version is, or None where it is not installed."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(pattern, said.stdout + said.stderr)
    return found[1] if found else None
