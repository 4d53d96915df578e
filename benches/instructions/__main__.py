"""Counts instructions instead of time: the same on a busy machine as on a quiet one.

Every operation of `benches/operations`, and every kind of request through corsair as a process, runs under callgrind
so many times and so many times more; the difference is what one costs. It is held against `budget.json`: what is above
its budget by more than the tolerance and the slack that stand there (a part of it, and instructions) is a failure.

    python3 benches/instructions                           # fails when something has become dearer
    python3 benches/instructions --only head,rewrite       # operations and requests whose name begins so
    python3 benches/instructions --record                  # what is measured becomes the budget
    python3 benches/instructions --side-by-side            # instructions and system calls per request, nginx and HAProxy too

A proxy that does not end when it is told to has no count: side by side its row says so, and the others go on.

Needs valgrind; system calls need strace. What the kernel does is not among the instructions, so that fewer of them
bought with more system calls are no gain.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "wrk"))

import processes  # noqa: E402, of benches/wrk
from peers import all_peers  # noqa: E402

import exchanges  # noqa: E402
from counting import callgrind, each  # noqa: E402

BUDGET = HERE / "budget.json"
# Of a budget that is recorded anew. Where buffers happen to lie makes some instructions more or less, which counts
# for little of what takes thousands and for much of what takes a hundred.
TOLERANCE, SLACK = 0.03, 30
FEW, MANY = 20, 220  # calls of an operation
# What precedes the calls costs some ten thousand more or less, as the hashes of that run fall out: nothing beside much,
# and too much beside little.
LITTLE, VERY_MANY = 5000, 4020
SIDE_BY_SIDE = ("corsair", "nginx", "haproxy")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/instructions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=("",), help="names that begin so")
    parser.add_argument("--corsair", help="the binary that requests go through; default: built now")
    parser.add_argument("--record", action="store_true", help="write budget.json")
    parser.add_argument("--side-by-side", action="store_true", help="compare with nginx and HAProxy, and count system calls")
    return parser.parse_args()


def in_turn(jobs):
    """Results by name of what may run at the same time, for counting is not disturbed by it."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {name: pool.submit(*job) for name, job in jobs.items()}
        return {name: result.result() for name, result in running.items()}


def floors():
    """The program that repeats operations."""
    built = subprocess.run(["cargo", "bench", "--no-run", "--bench", "floors", "--message-format", "json-render-diagnostics"],
                           cwd=TREE, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [message["executable"] for message in map(json.loads, built.splitlines())
             if message.get("executable") and message["target"]["name"] == "floors"]
    return found[-1]


def operation(program, name):
    """Instructions of one call."""
    def count(times):
        return callgrind([program, "repeat", name, str(times)])
    cost = each(count, FEW, MANY)
    return cost if cost > LITTLE else each(count, FEW, VERY_MANY)


def release():
    """corsair as it is shipped. Built last: a build for benchmarks turns on features of dependencies that only tests want,
    and leaves its binary in the same place."""
    subprocess.run(["cargo", "build", "--release", "--bins"], cwd=TREE, check=True)
    return str(TREE / "target/release/corsair")


def measure(options):
    """Instructions by name: of operations, and of requests through corsair."""
    program = floors()
    names = subprocess.run([program, "operations"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    jobs = {name: (operation, program, name) for name in names}
    corsair = all_peers(options.corsair or release())["corsair"]
    jobs |= {f"request/{kind}": (exchanges.instructions, corsair, kind) for kind in exchanges.KINDS}
    return in_turn({name: job for name, job in jobs.items() if name.startswith(options.only)})


def compare(measured):
    """Shows what was measured beside its budget; the names of what is dearer."""
    recorded = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    budget = recorded.get("instructions", {})
    dearer = []
    print(f"{'':36}{'budget':>10}{'measured':>10}{'change':>9}")
    for name, count in measured.items():
        allowed = budget.get(name)
        change = count / allowed - 1 if allowed else 0
        margin = allowed * recorded.get("tolerance", TOLERANCE) + recorded.get("slack", SLACK) if allowed else 0
        remark = "" if allowed else "  no budget yet"
        if allowed and count > allowed + margin:
            remark = "  DEARER"
            dearer.append(name)
        elif allowed and count < allowed - margin:
            remark = "  cheaper: record it"
        print(f"{name:36}{allowed or 0:10.0f}{count:10.0f}{change:+9.1%}{remark}")
    return dearer


def record(measured):
    """Makes it the budget; what was not measured keeps its own."""
    known = json.loads(BUDGET.read_text())["instructions"] if BUDGET.exists() else {}
    facts = {"compiler": processes.version(["rustc", "--version"], r"rustc ([\d.]+)"),
             "valgrind": processes.version(["valgrind", "--version"], r"valgrind-([\d.]+)"),
             "architecture": os.uname().machine}
    known |= {name: round(count) for name, count in measured.items()}
    BUDGET.write_text(json.dumps({**facts, "tolerance": TOLERANCE, "slack": SLACK, "instructions": known}, indent=2) + "\n")


def side_by_side(options):
    """Instructions and system calls per request, of each proxy that is there."""
    known = all_peers(options.corsair or release())
    found = {name: known[name] for name in SIDE_BY_SIDE if known[name].version()}
    jobs = {(kind, name): (exchanges.both, peer, kind) for kind in exchanges.KINDS for name, peer in found.items()
            if name in exchanges.KINDS[kind].peers}
    print(f"{'':22}{'':10}{'instructions':>13}{'system calls':>13}")
    for (kind, name), (instructions, calls) in in_turn(jobs).items():
        reasons = [why for why in (instructions, calls) if isinstance(why, str)]
        instructions = "none" if instructions in reasons else f"{instructions:.0f}"
        total, each = ("none", []) if calls in reasons else (f"{sum(calls.values()):.2f}", calls.items())
        remarks = [", ".join(f"{call} {count:.2f}" for call, count in each), *reasons]
        print(f"{kind:22}{found[name].title:10}{instructions:>13}{total:>13}   {'; '.join(filter(None, remarks))}")


def main():
    options = arguments()
    for tool in ("valgrind", "openssl", *(["strace"] if options.side_by_side else [])):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: apt-get install {tool}")
    if options.side_by_side:
        side_by_side(options)
        return
    measured = measure(options)
    dearer = compare(measured)
    if options.record:
        record(measured)
    elif dearer:
        raise SystemExit(f"dearer than their budget: {', '.join(dearer)}; where that is the price "
                         "of something, run with --record and say of what in the commit")


if __name__ == "__main__":
    main()
