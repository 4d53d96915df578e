"""Measures corsair beside other proxies, in one run on one machine.

The figure is the CPU time that the proxy itself spends, per request or per GB, as the kernel counts it; requests per
second say more about the machine. Every proxy has one worker on one core, load and origin have another, and they take
turns within a round. Everything stays on 127.0.0.1.

Small requests, and streams that say nothing, have a load of their own: both ends in one thread of a program that does
next to nothing (`benches/load`, built when it is wanted), for beside wrk and nginx as its origin every proxy waits. How
busy each one was stands in its row, and so does it where that was too little. wrk is left with long bodies and TLS.

    python3 benches/wrk                                    # everything, five rounds: some 20 minutes
    python3 benches/wrk --rounds 1 --seconds 1             # does each of them work?
    python3 benches/wrk --scenarios plain,upload --peers corsair,nginx
    python3 benches/wrk --before target/before             # another build of corsair takes its turns, too
    python3 benches/wrk --readme                           # everything, into README.md and benches/wrk/result.svg
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import measuring
import peers as all_about_peers
import plot
import processes
import table
from scenarios import SCENARIOS
from stage import LOAD_PROGRAM, LOAD_TARGET, TREE, Stage, warm_memory

LEFT_OUT = "Pingora has no peer here: it is a library whose proxy would have to be written and kept."


def arguments():
    parser = argparse.ArgumentParser(prog="benches/wrk", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="comma-separated; default: %(default)s")
    parser.add_argument("--peers", help="comma-separated; default: all that are installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of load, for each proxy in each round")
    parser.add_argument("--corsair", default=str(TREE / "target/release/corsair"), help="the binary to measure")
    parser.add_argument("--before", help="another build of corsair, to compare with")
    parser.add_argument("--no-build", action="store_true", help="take the binaries that there are")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--svg", type=Path, help="where to draw the picture")
    parser.add_argument("--readme", action="store_true", help="fill the table of README.md and draw benches/wrk/result.svg")
    options = parser.parse_args()
    options.scenarios = options.scenarios.split(",")
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario is called {', '.join(unknown)}")
    return options


def present(options):
    """The peers that can be measured; says which cannot, and how to get them."""
    for name, how in all_about_peers.missing_tools().items():
        raise SystemExit(f"{name} is missing: {how}")
    known = all_about_peers.all_peers(options.corsair)
    wanted = options.peers.split(",") if options.peers else known
    found = {}
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no peer is called {name}; there are {', '.join(known)}")
        if known[name].version():
            found[name] = known[name]
        else:
            print(f"{known[name].title} is left out, for it is not there: {known[name].install}")
    if options.before:
        found["before"] = all_about_peers.another_corsair("before", "corsair before", options.before)
    return found


def build():
    """The small peers, then corsair: whatever is built with the dependencies of tests turns on features of theirs in all
    that is built beside it, and what is measured must be what is shipped."""
    for what in ("--examples", "--bins"):
        subprocess.run(["cargo", "build", "--release", what], cwd=TREE, check=True)


def build_load(options):
    """The program that is clients and origin in one, where a scenario has it."""
    wanted = any(SCENARIOS[name].setting.upstream == all_about_peers.LOAD for name in options.scenarios)
    if wanted and not (options.no_build and LOAD_PROGRAM.exists()):
        subprocess.run(["cargo", "build", "--release", "--locked", "--target-dir", str(LOAD_TARGET)],
                       cwd=TREE / "benches/load", check=True)


def note(line):
    """Says what runs now, where a person looks on."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def measure(options, peers):
    """All outcomes; those of a scenario are shown as soon as it is over."""
    titles = {name: peer.title for name, peer in peers.items()}
    outcomes = []
    with Stage() as stage:
        warm_memory()
        stage.start_origins()
        for name in options.scenarios:
            scenario = SCENARIOS[name]
            if not any(peer in peers for peer in scenario.peers):
                continue
            try:
                samples = measuring.rounds(stage, peers, scenario, options.rounds, options.seconds, note)
            except (processes.Failed, subprocess.CalledProcessError) as failure:
                print(f"\n{name} is left out: {failure}")
                continue
            note("")
            concluded = measuring.conclude(scenario, samples)
            print(table.text(concluded, titles), flush=True)
            outcomes += concluded
    return outcomes


def main():
    options = arguments()
    if not options.no_build:
        build()
    build_load(options)
    peers = present(options)
    print(LEFT_OUT)
    run = table.run_facts(options.rounds, options.seconds)
    print(f"{run['date']}, {run['machine']}")
    outcomes = measure(options, peers)
    for line in table.missed(outcomes):
        print(f"missed: {line}")
    if options.json:
        options.json.write_text(json.dumps(table.as_json(outcomes, peers, run), indent=1) + "\n")
    picture = options.svg or (Path(__file__).parent / "result.svg" if options.readme else None)
    if picture:
        picture.write_text(plot.svg(outcomes, {name: peer.title for name, peer in peers.items()}))
    if options.readme:
        table.write_readme(table.markdown(outcomes, peers, run), picture)


if __name__ == "__main__":
    main()
