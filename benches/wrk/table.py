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
        lines.append(f"  {'':20}{view.unit:>12}{'kernel':>8}{'rate':>9}{'p50 ms':>9}{'p99 ms':>9}{'MiB':>7}{'errors':>8}"
                     f"   {view.subject} costs")
        for name, row in outcome.standings.items():
            lines.append(f"  {titles[name]:20}{number(row.value):>12}{row.kernel:8.0%}{row.rate:9.0f}{row.p50:9.3f}"
                         f"{row.p99:9.3f}{row.memory:7.1f}{row.errors:8d}   {verdict(outcome, name)}")
        if view.limit:
            lines.append(f"  at most {number(view.limit)}: {'met' if outcome.within_limit() else 'MISSED'}")
    return "\n".join(lines)


def verdict(outcome, name):
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
    facts = (f"Measured on {run['date']} on {run['machine']}: {versions}; {count} in which the proxies took turns. The figure is what "
             "the proxy itself costs: time on a core, unless the unit says otherwise. In brackets: what corsair costs as a part of "
             "that.")
    lines = [
        *textwrap.wrap(facts, 116),
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
        lines.append(f"| {outcome.view.title} | {outcome.view.unit} | **{number(subject.value)}** | {' | '.join(cells)} "
                     f"| {'; '.join(others)} |")
    return "\n".join(lines)


def cell(outcome, name):
    row = outcome.standings.get(name)
    if not row:
        return ""
    ratio = f" ({number(outcome.ratios[name])})" if name in outcome.ratios else ""
    return number(row.value) + ratio


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
