"""Where everything is measured: a folder in memory, a certificate, the origins, and who runs on which core."""
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import processes

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
LOAD_TARGET = TREE / "target/load"  # apart from corsair's: another package with dependencies of its own
LOAD_PROGRAM = LOAD_TARGET / "release/corsair-load"
FILES = {"1k": 2**10, "10k": 10 * 2**10, "100k": 100 * 2**10, "1m": 2**20}
DESCRIPTORS = 20000

APART, TOGETHER, EVERYWHERE = "apart", "together", "everywhere"


def cores(placement):
    """The cores of the proxy, and those of load and origin.

    Apart, so that the proxy is what saturates. Together for bulk: a stream sleeps and wakes all the time, and a
    wake-up across cores costs 1 us on one machine and 25 us on the next, which would be all that is measured.
    Everywhere for several workers.
    """
    usable = sorted(os.sched_getaffinity(0))[:2]
    first, last = usable[0], usable[-1]
    return {APART: ([first], [last]), TOGETHER: ([first], [first]), EVERYWHERE: (usable, usable)}[placement]


class Stage:
    """Two origins on ports of their own: nginx with files (plain and TLS), and one of 1 GB and of any size; a port for
    the one that is part of a load."""

    def __init__(self):
        self.exit = contextlib.ExitStack()
        names = ("origin", "origin_tls", "bulk", "load", "listen", "listen_tls")
        self.ports = dict(zip(names, processes.free_ports(len(names))))
        self.origin = None

    def __enter__(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.work = self.exit.enter_context(tempfile.TemporaryDirectory(prefix="corsair-bench-", dir=memory))
        os.chmod(self.work, 0o755)
        for name, size in FILES.items():
            Path(self.work, name).write_bytes(b"x" * size)
        self.certify()
        return self

    def __exit__(self, *failure):
        self.exit.close()

    def certify(self):
        """A certificate for this machine, signed by itself."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-addext", "basicConstraints=critical,CA:FALSE",
                        "-keyout", f"{self.work}/key.pem", "-out", f"{self.work}/cert.pem"], check=True, capture_output=True)
        both = Path(self.work, "cert.pem").read_text() + Path(self.work, "key.pem").read_text()
        Path(self.work, "both.pem").write_text(both)

    def start_origins(self):
        """Both, where the load runs."""
        nginx = ["nginx", "-p", self.work, "-c", self.render("origin.conf")]
        self.origin = self.run(nginx, self.ports["origin"], cores(APART)[1])
        self.start_bulk(cores(TOGETHER)[1])

    def start_bulk(self, on=None):
        """The origin of 1 GB and of any size, which needs nothing but Python."""
        self.run([sys.executable, str(HERE / "bulk.py"), str(self.ports["bulk"])], self.ports["bulk"], on)

    def run(self, command, port, on=None):
        process = processes.start(command, on)
        self.exit.callback(processes.stop, process)
        processes.wait_for_port(port, process)
        return process

    def place(self, placement):
        """Moves the origin to where the load runs."""
        os.sched_setaffinity(self.origin.pid, cores(placement)[1])

    def render(self, template, **values):
        """A template of `peers/` with its `{names}` filled in; the path of the result."""
        text = (HERE / "peers" / template).read_text()
        for name, value in {"work": self.work, **self.ports, **values}.items():
            text = text.replace("{" + name + "}", str(value))
        path = Path(self.work, template)
        path.write_text(text)
        return str(path)


def warm_memory():
    """A virtual machine pays for every page that it touches first; let that not be the first proxy's bill."""
    for _ in range(2):
        pages = [bytearray(2**22) for _ in range(256)]
        del pages
