"""bench/run http: servers side by side under wrk, as a ratio to the floor."""

import dataclasses
import pathlib
import re
import statistics
import subprocess

from . import machine, report, server, steps

LOAD = pathlib.Path(__file__).resolve().parents[1] / "load"
SERVERS = ["floor", "rilld", "nginx", "h2o", "lighttpd"]
FIXED = {"floor", "rilld", "rilld-log", "nginx", "go"}  # these answer without a file
EXTRA = ["rilld-log", "go"]  # asked for by name; they play hello over 64 connections
KNOWN = SERVERS + EXTRA
EVENTS = ["instructions:u", "instructions:k", "cycles"]
SPREAD_MAX = 0.03
ATTEMPTS = 3


@dataclasses.dataclass
class Scenario:
    name: str
    path: str
    size: int = 13
    connections: int = 64
    pipelined: int = 1

    def body(self):
        return server.BODY if self.size == 13 else bytes(i * 7 % 251 for i in range(251)) * (
            self.size // 251) + b"x" * (self.size % 251)

    def serves(self, name):
        """Whether this server can play: the floor always, with its own answer as the unit."""
        if name in EXTRA and (self.path != "/hello" or self.connections != 64):
            return False
        return self.path != "/hello" or name in FIXED


def file_scenario(label, size, connections=64):
    name = f"file-{label}" + (f"@{connections}" if connections != 64 else "")
    return Scenario(name, f"/f/{label}.bin", size, connections)


SCENARIOS = [
    Scenario("hello", "/hello"),
    *(Scenario(f"hello@{n}", "/hello", connections=n) for n in (256, 1024, 4096, 10000)),
    file_scenario("13", 13),
    file_scenario("16k", 16 << 10),
    file_scenario("16k", 16 << 10, 1024),
    file_scenario("100k", 100 << 10),
    file_scenario("10m", 10 << 20),
    Scenario("pipe-16", "/hello", pipelined=16),
]


def have_counters():
    done = subprocess.run(["perf", "stat", "-x,", "-e", ",".join(EVENTS), "true"],
                          stderr=subprocess.PIPE, text=True) if machine.find("perf") else None
    return bool(done and done.returncode == 0 and re.search(r"^\d+,,instructions", done.stderr, re.M))


def parse_counters(text):
    values = [line.split(",")[0] for line in text.split("\n") if line.count(",") > 3]
    return [int(v) if v.isdigit() else None for v in values[:len(EVENTS)]]


def seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}[unit]


def parse_wrk(text):
    number = lambda pattern: re.search(pattern, text, re.M)
    done, errors = number(r"^ *(\d+) requests in"), number(r"Socket errors: (.*)")
    bad = number(r"Non-2xx or 3xx responses: (\d+)")
    return {
        "requests": int(done.group(1)) if done else 0,
        "errors": sum(map(int, re.findall(r"\d+", errors.group(1)))) if errors else 0,
        "bad": int(bad.group(1)) if bad else 0,
        "rate": float(number(r"^Requests/sec: *([\d.]+)").group(1)) if done else 0,
        "p50": seconds(number(r"^ *50% *(\S+)").group(1)) * 1e6 if done else 0,
        "p99": seconds(number(r"^ *99% *(\S+)").group(1)) * 1e6 if done else 0,
    }


def load(scenario, target, duration, counters):
    """One run of wrk against one server: the figures per request."""
    argv = ["taskset", "-c", "1", "wrk", "-t1", f"-c{scenario.connections}", f"-d{duration}s",
            "--latency"]
    if scenario.pipelined > 1:
        argv += ["-s", str(LOAD / f"pipe{scenario.pipelined}.lua")]
    argv.append(f"http://127.0.0.1:{target.port}{scenario.path}")
    counts = machine.OUT / "counters"
    if counters:
        tree = ",".join(map(str, target.tree()))
        argv = ["perf", "stat", "-x,", "-o", str(counts), "-e", ",".join(EVENTS), "-p", tree,
                "--", *argv]
    before = target.cpu_ns()
    wrk = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         timeout=duration * 3 + 30)
    cpu = target.cpu_ns() - before
    sample = parse_wrk(wrk.stdout)
    requests = max(sample["requests"], 1)
    sample["cpu"] = cpu / requests
    sample["share"] = cpu / 1e9 / duration
    user, kernel, cycles = parse_counters(counts.read_text()) if counters else (None,) * 3
    if counters and (user is None or kernel is None):
        raise RuntimeError("perf counted nothing: are all counters taken?")
    if cpu <= 0:
        raise RuntimeError(f"{target.name} used no CPU time: it is gone")
    for key, value in (("user", user), ("kernel", kernel), ("cycles", cycles)):
        sample[key] = value / requests if value is not None else None
    sample["cost"] = sample["user"] + sample["kernel"] if counters else sample["cpu"]
    return sample


def memory_under_load(scenario, target):
    """The warm-up: its times are discarded, its memory is taken while the connections are open."""
    wrk = subprocess.Popen(["taskset", "-c", "1", "wrk", "-t1", f"-c{scenario.connections}", "-d1s",
                            f"http://127.0.0.1:{target.port}{scenario.path}"],
                           stdout=subprocess.DEVNULL)
    try:
        wrk.wait(0.8)
    except subprocess.TimeoutExpired:
        pass
    pss = target.pss_kib()
    wrk.wait(30)
    return pss


def rounds(scenario, targets, options, counters):
    """Every round visits all servers; the order rotates. Returns the samples by server."""
    samples = {t.name: [] for t in targets}
    for turn in range(options.rounds):
        shift = turn % len(targets)
        for target in targets[shift:] + targets[:shift]:
            samples[target.name].append(load(scenario, target, options.seconds, counters))
    return samples


def summarise(target, samples, floor, memory, stepped):
    middle = lambda key: (statistics.median(s[key] for s in samples)
                          if all(s[key] is not None for s in samples) else None)
    row = {key: middle(key) for key in ("cost", "user", "kernel", "cycles", "cpu", "rate", "p50",
                                        "p99", "share")}
    ratios = [s["cost"] / (f["cost"] if floor else 1) for s, f in zip(samples, floor or samples)]
    row["ratio"], row["low"], row["high"] = statistics.median(ratios), min(ratios), max(ratios)
    row["memory"], row["name"] = memory, target.name
    if row["user"] is None:
        row["user"] = stepped
    flaws = []
    if not all(s["requests"] for s in samples + (floor or [])):
        flaws.append("a round without an answer")
    elif (row["high"] - row["low"]) / row["ratio"] > SPREAD_MAX:
        flaws.append(f"spread {100 * (row['high'] - row['low']) / row['ratio']:.0f} %")
    for key, what in (("errors", "socket errors"), ("bad", "answers other than 2xx")):
        count = sum(s[key] for s in samples)
        flaws += [f"{count} {what}"] if count else []
    if target.tree() != target.born:
        flaws.append("restarted")
    row["void"] = ", ".join(flaws)
    return row


def measure(scenario, targets, options, counters):
    """The rows of one scenario, best attempt of each server: void ones run again, beside the floor."""
    memory = {t.name: memory_under_load(scenario, t) for t in targets}
    stepped = {}
    # Above a megabyte the kernel is all that counts, and steps would take minutes.
    if not counters and scenario.size <= 1 << 20:
        for t in targets:
            if not options.quick or t.name in ("floor", "rilld", "rilld-log"):
                stepped[t.name] = steps.count(t, scenario)
    rows, again = {}, targets
    for _ in range(1 if options.quick else ATTEMPTS):
        samples = rounds(scenario, again, options, counters)
        for target in again:
            name = target.name
            if name not in rows or rows[name]["void"]:
                rows[name] = summarise(target, samples[name], samples.get("floor"), memory[name],
                                       stepped.get(name))
        again = [t for t in targets if t.name == "floor" or rows[t.name]["void"]]
        if len(again) < 2:
            break
    return [rows[t.name] for t in targets]


def start_all(scenario, names, table):
    """The servers of a scenario that run and answer rightly; each of the others is a void row."""
    targets = []
    for name in (n for n in names if scenario.serves(n)):
        target = server.Server(name)
        try:
            target.start()
            target.check(scenario.path, scenario.body())
            targets.append(target)
        except (RuntimeError, OSError) as flaw:
            table.void(scenario.name, name, flaw)
    return targets


def write_files():
    folder = machine.OUT / "files"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for scenario in SCENARIOS:
        if scenario.path.startswith("/f/"):
            (folder / scenario.path[3:]).write_bytes(scenario.body())


def prepare(options):
    """Installs and builds what the servers need. Returns the names of those that are there."""
    missing = machine.install(["wrk", *(p for p in ("nginx", "h2o", "lighttpd", "perf")
                                        if p == "perf" or p in options.servers)])
    if "wrk" in missing:
        raise SystemExit("wrk is missing, and without a load there is nothing to measure")
    write_files()
    if "go" in options.servers and machine.find("go"):
        machine.build_go(server.PEERS / "hello.go", "hello-go")
    absent = [n for n in options.servers if server.program(n) is None]
    for name in absent:
        machine.say(f"{name} is not here: left out")
    return [n for n in options.servers if n not in absent]


def run(options, names):
    scenarios = [s for s in SCENARIOS if s.name in options.only]
    if not scenarios:
        return
    counters = have_counters()
    table = report.Http(names, counters, "floor" in names, options.against)
    for scenario in scenarios:
        try:
            targets = start_all(scenario, names, table)
            table.rows(scenario.name, measure(scenario, targets, options, counters))
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as flaw:
            table.void(scenario.name, "all", flaw)
        finally:
            server.stop_all()
    table.end()
    options.worse = bool(table.worse)
