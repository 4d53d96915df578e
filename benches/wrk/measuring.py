"""Rounds in which the proxies take turns, and what is concluded from them.

A machine that is shared drifts by more than what is looked for. So the proxies take turns within a round, and what
is compared is the median of the ratios within a round.
"""
import operator
import os
import statistics
import time
from dataclasses import dataclass

import loads
import processes
from stage import APART, cores

SETTLE = 0.3  # seconds after a proxy has begun to listen
# Of a core: a proxy that was on it for less has waited for its load, and what it costs has sleeping and waking in it.
FULL = 0.9
STEADY_ROUNDS = 2  # of what does not drift


@dataclass
class Sample:
    """One proxy in one round."""
    load: loads.Load
    cpu: float = 0  # seconds
    kernel: float = 0  # the part of it in the kernel
    busy: float = 0  # seconds on a core per second of load
    memory: float = 0  # MiB, peak


@dataclass
class Standing:
    """One proxy in one view, over all rounds."""
    value: float
    rate: float
    p50: float
    p99: float
    user: float  # of the value, where it is time on a core
    busy: float
    memory: float
    errors: int


@dataclass
class Outcome:
    """One view of a scenario."""
    scenario: object
    view: object
    standings: dict  # peer → Standing
    ratios: dict  # peer → the subject's figure as a part of the peer's

    def verdict(self, name):
        """Whether the goal beside this peer is met; None without a goal."""
        goal, ratio = self.view.goals.get(name), self.ratios.get(name)
        return None if goal is None or ratio is None else ratio <= goal

    def has_waited(self, name):
        """Whether this proxy should have filled its core, and has not."""
        return self.scenario.placement == APART and 0 < self.standings[name].busy < FULL

    def within_limit(self):
        subject = self.standings.get(self.view.subject)
        return not (self.view.limit and subject) or subject.value <= self.view.limit


def take(stage, peer, scenario, seconds):
    """Starts a proxy (none for `None`: the origin itself), lets the load run, and ends it."""
    own, load_cores = cores(scenario.placement)
    stage.place(scenario.placement)
    setting = scenario.setting
    port = stage.ports[setting.upstream if peer is None else "listen_tls" if setting.tls else "listen"]
    target = loads.Target(port, setting.tls, load_cores, stage.ports[setting.upstream])
    if peer is None:
        return Sample(scenario.load(target, seconds))
    if setting.gateway:
        target.path = peer.gateway_path(f"http://127.0.0.1:{stage.ports[setting.upstream]}")
    process = processes.start(peer.command(stage, setting), own, env={**os.environ, **peer.environment()})
    try:
        processes.wait_for_port(port, process)
        time.sleep(SETTLE)
        target.process, target.meter = process, processes.Meter(process.pid)
        if scenario.warm:
            scenario.load(target, 1)
        load, meter = scenario.load(target, seconds), target.meter
        kernel = min(meter.kernel / meter.cpu, 1) if meter.cpu else 0
        busy = meter.cpu / meter.wall if meter.wall else 0
        return Sample(load, meter.cpu, kernel, busy, processes.memory_mib(process.pid, "VmHWM"))
    finally:
        processes.stop(process)


def rounds(stage, peers, scenario, count, seconds, note):
    """Samples of every proxy of a scenario that is there: a list of one per round, by name."""
    names = [name for name in (*scenario.peers, "before") if name in peers]
    turns = ["direct", *names] if scenario.needs_direct else names
    samples = {name: [] for name in turns}
    count = min(count, STEADY_ROUNDS) if scenario.steady else count
    for number in range(count):
        first = number % len(turns)  # nobody is always the one after the same other
        for name in turns[first:] + turns[:first]:
            note(f"{scenario.name}: round {number + 1} of {count}, {name}")
            samples[name].append(take(stage, peers.get(name), scenario, seconds))
    return samples


def conclude(scenario, samples):
    """What the rounds say, for each view."""
    outcomes = []
    for view in scenario.views:
        values = {name: [view.value(sample) for sample in row] for name, row in samples.items() if name != "direct"}
        if view.added:
            base = [view.value(sample) for sample in samples["direct"]]
            values = {name: [value - origin for value, origin in zip(row, base)] for name, row in values.items()}
        standings = {name: standing(values[name], samples[name]) for name in values}
        if view.added and min(row.value for row in standings.values()) <= 0:
            # The origin alone did not hold still: what a proxy adds cannot be told in this run.
            continue
        ours = values.get(view.subject)
        ratios = {name: ratio(ours, theirs, view.added) for name, theirs in values.items() if ours and name != view.subject}
        ratios = {name: found for name, found in ratios.items() if found is not None}
        outcomes.append(Outcome(scenario, view, standings, ratios))
    return outcomes


def ratio(ours, theirs, added):
    """The median of the ratios within a round; of differences, which may come near to nothing in one round, the ratio
    of the medians. None where there is nothing to compare with."""
    if added:
        ours, theirs = [statistics.median(ours)], [statistics.median(theirs)]
    return statistics.median(map(operator.truediv, ours, theirs)) if min(theirs) > 0 else None


def standing(values, samples):
    def middle(value):
        return statistics.median(map(value, samples))
    return Standing(statistics.median(values), middle(lambda s: s.load.rate), middle(lambda s: s.load.p50),
                    middle(lambda s: s.load.p99), statistics.median(values) * (1 - middle(lambda s: s.kernel)),
                    middle(lambda s: s.busy), middle(lambda s: s.memory), sum(sample.load.errors for sample in samples))
