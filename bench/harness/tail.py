"""The tail rows of bench/run http: latency at a fixed rate, from an open-loop client."""

import dataclasses
import statistics
import subprocess

from . import machine, report, server, web

SHARES = (0.5, 0.8)  # of the rate at which the slowest server is saturated
BASE = {s.name: s for s in web.SCENARIOS}
SCENARIOS = [dataclasses.replace(BASE[n], name=f"tail-{n}")
             for n in ("hello", "hello@1024", "file-16k", "file-16k@1024")]


def saturation(scenario, targets):
    return min(web.load(scenario, t, 1, False)["rate"] for t in targets)


def planned(scenario, target, rate, duration):
    """One run of the open-loop client; raises if a request was not answered."""
    done = subprocess.run(
        ["taskset", "-c", "1", machine.PROGRAMS / "openloop", str(target.port), scenario.path,
         str(scenario.connections), str(rate), str(duration)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=duration * 3 + 30)
    lines = [line.split() for line in done.stdout.splitlines()]
    sample = {line[0]: float(line[1]) for line in lines} if done.returncode == 0 else {}
    if not sample or sample["answered"] < sample["due"]:
        raise RuntimeError(f"{target.name} left requests unanswered: {done.stdout.strip()}")
    return sample


def measure(scenario, targets, options, table):
    slowest = saturation(scenario, targets)
    for share in SHARES:
        rate = int(slowest * share)
        samples = {t.name: [] for t in targets}
        for turn in range(options.rounds):
            shift = turn % len(targets)
            for target in targets[shift:] + targets[:shift]:
                samples[target.name].append(planned(scenario, target, rate, options.seconds))
        for target in targets:
            points = {key: [s[key] for s in samples[target.name]] for key in ("p50", "p99", "p999")}
            table.row(scenario.name, f"{rate:,}", target.name,
                      {key: statistics.median(v) for key, v in points.items()}, points["p99"])


def run(options, names):
    scenarios = [s for s in SCENARIOS if s.name in options.only]
    if not scenarios:
        return
    table = report.Tail()
    for scenario in scenarios:
        try:
            targets = web.start_all(scenario, names, table)
            measure(scenario, targets, options, table)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as flaw:
            table.void(scenario.name, "all", flaw)
        finally:
            server.stop_all()
    table.end()
