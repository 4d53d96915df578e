"""What was measured, as text for a terminal, as a table for the README, and as JSON."""
import dataclasses
import datetime
import os
import platform
import re
import textwrap
from pathlib import Path

from stage import TREE

BEGIN, END = "<!-- benches/wrk: begin -->", "<!-- benches/wrk: end -->"
COLUMNS = ("nginx", "haproxy")  # peers with a column of their own in the README
METHOD = (
    "The proxies take turns within a round, each with one worker on a core of its own, and the figure is what the kernel counts "
    "of that proxy alone: time on a core, unless the unit says otherwise, and in brackets what corsair costs as a part of it, "
    "the median of the ratios within a round. Small requests come from one thread that is clients and origin in one and does "
    "next to nothing (`benches/load`), so that the proxy's core is full and nobody is billed for waiting; a browser's GET has "
    "the 15 fields that Chromium sends across origins, and its answer 13. Bodies from 100 KB on share their core with the "
    "load, TLS comes from wrk, and idle connections and quiet streams are what one more of them adds to the memory of the "
    "process once it has settled."
)
WAITED = "° This proxy did not fill its core: the figure has sleeping and waking in it."


def machine():
    """Where this was measured: the processor, its cores, the kernel."""
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return f"{found[1].strip() if found else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def number(value):
    """Three digits that count."""
    digits = next((digits for least, digits in ((100, 0), (10, 1), (0.1, 2)) if abs(value) >= least), 3)
    return f"{value:.{digits}f}"


def text(outcomes, titles):
    """One scenario, its views one below the other."""
    lines = []
    for outcome in outcomes:
        view = outcome.view
        lines.append(f"\n{outcome.scenario.name}: {view.title}")
        lines.append(f"  {'':20}{view.unit:>12}{'user':>8}{'busy':>6}{'rate':>9}{'p50 ms':>9}{'p99 ms':>9}{'MiB':>7}{'errors':>8}"
                     f"   {view.subject} costs")
        for name, row in outcome.standings.items():
            lines.append(f"  {titles[name]:20}{number(row.value):>12}{clock(view, row)}{row.rate:9.0f}{row.p50:9.3f}"
                         f"{row.p99:9.3f}{row.memory:7.1f}{row.errors:8d}   {verdict(outcome, name)}")
        if view.limit:
            lines.append(f"  at most {number(view.limit)}: {'met' if outcome.within_limit() else 'MISSED'}")
    return "\n".join(lines)


def clock(view, row):
    """What part of the figure is no kernel's, and how much of its core the proxy had, where that was looked at."""
    user = number(row.user) if view.is_time_on_core else ""
    busy = f"{row.busy:.0%}" if row.busy else ""
    return f"{user:>8}{busy:>6}"


def verdict(outcome, name):
    waited = "  NOT BUSY: it waited, or others had its core" if outcome.has_waited(name) else ""
    return comparison(outcome, name) + waited


def comparison(outcome, name):
    if name not in outcome.ratios:
        return ""
    met = outcome.verdict(name)
    goal = "" if met is None else f" (goal {outcome.view.goals[name]:.2f}: {'met' if met else 'MISSED'})"
    return f"{number(outcome.ratios[name])} of it{goal}"


def missed(outcomes):
    """Every goal that was not met, in words."""
    for outcome in outcomes:
        for name, goal in outcome.view.goals.items():
            if outcome.verdict(name) is False:
                yield f"{outcome.view.title}: {number(outcome.ratios[name])} of {name}, goal {goal:.2f}"
        subject = outcome.standings.get(outcome.view.subject)
        if subject and subject.errors:
            yield f"{outcome.view.title}: {subject.errors} errors"
        if not outcome.within_limit():
            yield f"{outcome.view.title}: more than {number(outcome.view.limit)} {outcome.view.unit}"


def markdown(outcomes, peers, run):
    """The table of the README, with what it needs to be believed."""
    versions = ", ".join(f"{peer.title} {peer.version()}" for peer in peers.values()
                         if peer.name in ("corsair", "nginx", "haproxy") and peer.version())
    count = "one round" if run["rounds"] == 1 else f"medians of {run['rounds']} rounds"
    facts = f"Measured on {run['date']} on {run['machine']}: {versions}; {count}."
    waited = any(outcome.has_waited(name) for outcome in outcomes for name in outcome.standings)
    lines = [
        *textwrap.wrap(METHOD, 116),
        "",
        *textwrap.wrap(f"{facts} {WAITED}" if waited else facts, 116),
        "",
        "| work | unit | corsair | nginx | HAProxy | others |",
        "|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        subject = outcome.standings.get(outcome.view.subject)
        if not subject:
            continue
        cells = [cell(outcome, name) for name in COLUMNS]
        others = [f"{peers[name].title} {cell(outcome, name)}" for name in outcome.standings
                  if name not in (*COLUMNS, outcome.view.subject)]
        ours = f"**{number(subject.value)}**{mark(outcome, outcome.view.subject)}"
        lines.append(f"| {outcome.view.title} | {outcome.view.unit} | {ours} | {' | '.join(cells)} | {'; '.join(others)} |")
    return "\n".join(lines)


def cell(outcome, name):
    row = outcome.standings.get(name)
    if not row:
        return ""
    ratio = f" ({number(outcome.ratios[name])})" if name in outcome.ratios else ""
    return number(row.value) + mark(outcome, name) + ratio


def mark(outcome, name):
    return "°" if outcome.has_waited(name) else ""


def write_readme(table, picture):
    """Puts the picture and the table between their marks."""
    path = TREE / "README.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md has no {BEGIN} … {END}")
    shown = f"![What corsair, nginx and HAProxy cost]({picture.resolve().relative_to(TREE)})"
    path.write_text(f"{before}{BEGIN}\n{shown}\n\n{table}\n{END}{after}")


def run_facts(rounds, seconds):
    return {"date": datetime.date.today().isoformat(), "machine": machine(), "rounds": rounds, "seconds": seconds}


def as_json(outcomes, peers, run):
    return {**run, "versions": {name: peer.version() for name, peer in peers.items()}, "views": [
        {"scenario": outcome.scenario.name, "title": outcome.view.title, "unit": outcome.view.unit, "subject": outcome.view.subject,
         "ratios": outcome.ratios, "goals": outcome.view.goals,
         "standings": {name: dataclasses.asdict(row) for name, row in outcome.standings.items()}}
        for outcome in outcomes]}
