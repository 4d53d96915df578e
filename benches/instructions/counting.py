"""Programs under callgrind and strace, and what these say at the end."""
import re
import subprocess
import tempfile
from pathlib import Path

CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


# Time passes while a program runs, a seed is drawn, memory lies elsewhere: what that adds differs from run to run.
RUNS = 2


def each(count, few, many):
    """What one costs, by a function that counts so many: the difference between the least counts of some runs."""
    least = [min(count(times) for _ in range(RUNS)) for times in (few, many)]
    return (least[1] - least[0]) / (many - few)


def collected(said):
    """The instructions that callgrind counted, all threads together."""
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        raise RuntimeError(f"callgrind has not counted: {said[-800:]}")
    return int(found[1])


def callgrind(command):
    """Instructions of a program that ends by itself."""
    said = subprocess.run([*CALLGRIND, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return collected(said)


def strace(path):
    """The words that count a program's system calls into this file."""
    return ["strace", "-f", "-c", "-o", path]


def calls(path):
    """System calls by name, from such a file."""
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", Path(path).read_text(), re.MULTILINE)
    return {name: int(count) for count, name in rows if name != "total"}


def report_file():
    """A file for a report, removed when it is closed."""
    return tempfile.NamedTemporaryFile(prefix="corsair-bench-")
