"""Prints the tables, row by row, to the terminal and to a file in build/bench."""

import json
import sys

from . import machine, server

WORSE_MAX = 0.03


class Table:
    """Rows as they become known; the same text goes to build/bench/<name>.txt."""

    def __init__(self, name):
        self.file = open(machine.OUT / f"{name}.txt", "w")
        for line in machine.facts():
            self.line(line)

    def line(self, text=""):
        print(text, flush=True)
        print(text, file=self.file, flush=True)

    def end(self):
        self.line()
        self.file.close()


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


class Http(Table):
    """Keeps its ratios in build/bench/http.json, for a later run to be compared with."""

    def __init__(self, names, counters, floor, against):
        super().__init__("http")
        self.ratios, self.worse = {}, []
        self.against = json.loads(against.read_text()) if against else {}
        for name in names:
            self.line(f"{name:12} {server.version(name)}")
        cost = "instructions" if counters else "CPU time"
        self.line(f"cost         {cost} per request of the whole process tree"
                  + ("" if counters else "; no performance counters here, so only ratios compare"))
        self.line("ratio        " + ("to the floor" if floor else "none: the cost itself, no floor")
                  + ", within each round: median (minimum to maximum)")
        if not counters:
            self.line("instr.user   of the worker, counted by single steps over sixteen requests")
        self.line()
        self.line(f"{'scenario':15} {'server':9} {'instr.user':>10} {'kernel':>8} {'cycles':>8}"
                  f" {'CPU ns':>9} {'ratio':>22} {'req/s':>9} {'p50 us':>8} {'p99 us':>8}"
                  f" {'PSS KiB':>8} {'CPU 0':>6}")

    def rows(self, scenario, rows):
        for row in rows:
            digits = 0 if row["ratio"] > 100 else 2
            ratio = (f"{row['ratio']:,.{digits}f} ({row['low']:,.{digits}f} to"
                     f" {row['high']:,.{digits}f})")
            self.line(f"{scenario:15} {row['name']:9} {number(row['user']):>10}"
                      f" {number(row['kernel']):>8} {number(row['cycles']):>8}"
                      f" {number(row['cpu']):>9} {ratio:>22} {number(row['rate']):>9}"
                      f" {number(row['p50'] or None):>8} {number(row['p99'] or None):>8}"
                      f" {number(row['memory']):>8} {100 * row['share']:>4.0f} %"
                      + (f"  void: {row['void']}" if row["void"] else "")
                      + self.change(f"{scenario} {row['name']}", row))

    def change(self, key, row):
        """What became of the ratio since the run compared with; void rows are not judged."""
        self.ratios[key] = row["ratio"]
        if key not in self.against:
            return ""
        change = row["ratio"] / self.against[key] - 1
        if change > WORSE_MAX and not row["void"]:
            self.worse.append(key)
        return f"  {100 * change:+.1f} %"

    def end(self):
        (machine.OUT / "http.json").write_text(json.dumps(self.ratios, indent=1) + "\n")
        if self.worse:
            self.line(f"worse by more than {100 * WORSE_MAX:.0f} %: {', '.join(self.worse)}")
        super().end()

    def void(self, scenario, name, flaw):
        self.line(f"{scenario:15} {name:9} void: {flaw}")


class Runtime(Table):
    def __init__(self, rounds):
        super().__init__("runtime")
        self.line(f"go           {machine.first_line('go', 'version')}")
        self.line(f"asyncio      Python {sys.version.split()[0]}")
        self.line(f"fio          {machine.first_line('fio', '--version')}")
        self.line(f"figures      median of {rounds} (minimum to maximum), all on CPU 0;"
                  " [recorded elsewhere]")
        self.line()
        self.line(f"{'figure':23} {'unit':5} {'librill':>30} {'peers':50} goal")

    def row(self, name, unit, by_player, medians, recorded, verdict):
        digits = 2 if medians[next(iter(medians))] < 100 else 0
        ours = "-"
        if "rill" in medians:
            low, high = (number(f(by_player["rill"]), digits) for f in (min, max))
            ours = f"{number(medians['rill'], digits)} ({low} to {high})"
        peers = [f"{p} {number(v, digits)}" for p, v in medians.items() if p != "rill"]
        peers += [f"[{p} {number(v, digits)}]" for p, v in recorded.items()]
        self.line(f"{name:23} {unit:5} {ours:>30} {', '.join(peers) or '-':50} {verdict}")


class Tail(Table):
    def __init__(self):
        super().__init__("tail")
        self.line("latency      from the planned time of each request, medians over the rounds, in us")
        self.line()
        self.line(f"{'scenario':18} {'rate/s':>8} {'server':9} {'p50':>8} {'p99':>8} {'p99.9':>8}"
                  "  p99 over the rounds")

    def row(self, scenario, rate, name, medians, p99):
        self.line(f"{scenario:18} {rate:>8} {name:9} {number(medians['p50']):>8}"
                  f" {number(medians['p99']):>8} {number(medians['p999']):>8}"
                  f"  {number(min(p99))} to {number(max(p99))}")

    def void(self, scenario, name, flaw):
        self.line(f"{scenario:18} {'':8} {name:9} void: {flaw}")


class Idle(Table):
    def __init__(self, connections):
        super().__init__("idle")
        self.line(f"idle         {connections:,} connections, one answer each, then silence")
        self.line()
        self.line(f"{'server':9} {'octets per connection':>22} {'PSS KiB':>9}")

    def row(self, name, octets, pss):
        self.line(f"{name:9} {number(octets):>22} {number(pss):>9}")
