"""bench/run runtime: librill beside Go, asyncio and fio, row by row, all on CPU 0, in turn."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

from . import machine, report, server

MICRO = pathlib.Path(__file__).resolve().parents[1] / "micro"
READ_FILE_MIB = 256
DEPTHS = (1, 8, 32, 128)
# Who takes part in a row; each program may print several figures.
ROWS = {
    "switch": ["rill"],
    "sched": ["rill", "go", "asyncio"],
    "spawn": ["rill", "go", "asyncio"],
    "gather": ["rill", "go", "asyncio"],
    "timer": ["rill", "go", "asyncio"],
    "lock": ["rill", "go", "asyncio"],
    "queue": ["rill", "go", "asyncio"],
    "handoff": ["rill", "go", "asyncio"],
    "sleepers": ["rill", "bare", "go", "asyncio"],
    "ps": ["rill"],
    "echo": ["rill", "ring"],
    "fetch": ["rill", "go", "aiohttp"],
    "reads": ["rill", "fio", "go", "asyncio"],
}
# The goals: a figure to reach, or, on a machine where the peer is slower than it was where the goals
# were set, a ratio to the peer of the same run. Either will do. Reads per second are at least so many.
GB = 1000 ** 3 / 2 ** 20  # in MiB
GOALS = {
    "switch": (10.7, None, None), "sched-2": (20, "go", 0.40), "sched-10000": (20, "go", 0.40),
    "spawn": (100, "go", 0.70), "gather": (150, "asyncio", 1 / 49), "timer": (30, None, None),
    "lock": (None, "go", 1.0), "queue": (None, "go", 1.0), "handoff": (None, "go", 1.0),
    "sleepers-time": (2.0, "go", 0.62), "sleepers-memory": (4.6 * GB, "go", 1.92),
    "ps": (1000, None, None), "ps-cost": (1, None, None),
    "ps-cpu": (None, None, None), "ps-other": (None, None, None),  # what the two above are made of
    "echo": (None, "ring", 1.15), "fetch": (None, "go", 0.25),
    "fetch-tls": (None, None, None), "fetch-tls-cost": (1.5, None, None),
}
for kind in ("cached", "direct"):
    for depth in DEPTHS:
        GOALS[f"reads-{kind}-{depth}"] = (None, "fio", 0.95)
        GOALS[f"reads-{kind}-{depth}-cpu"] = (None, "fio", 1.10)
# Figures with a second peer whose ratio has to be reached as well.
AS_WELL = {"fetch": ("aiohttp", 0.10)}
# What peers have shown elsewhere, for machines where they are not installed.
RECORDED = {
    "switch": {"minicoro": 10.7}, "sched-2": {"go": 50, "asyncio": 1590},
    "spawn": {"go": 142, "asyncio": 3900}, "gather": {"asyncio": 7400},
    "sleepers-time": {"go": 3.2}, "sleepers-memory": {"go": 2.4 * GB},
}


def nginx():
    """The server of the row `fetch`, on the other CPU."""
    if not server.running:
        files = machine.OUT / "files"
        files.mkdir(parents=True, exist_ok=True)
        (files / "file-1k.bin").write_bytes(os.urandom(1024))
        server.Server("nginx", cpu=1, tls=True).start()
    return server.running[0]


def reads_file():
    path = machine.OUT / "reads.dat"
    if not path.exists() or path.stat().st_size != READ_FILE_MIB << 20:
        with open(path, "wb") as file:
            for _ in range(READ_FILE_MIB):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    with open(path, "rb") as file:  # bring it into the page cache
        while file.read(1 << 22):
            pass
    return str(path)


def command(player, row):
    """The command line of a player for a row; None where it is not there."""
    program = {"rill": machine.PROGRAMS / f"bench_{row}", "go": machine.OUT / "micro-go",
               "ring": machine.PROGRAMS / f"ring_{row}", "bare": machine.PROGRAMS / f"bare_{row}",
               "asyncio": MICRO / "py" / "micro.py",
               "aiohttp": MICRO / "py" / "micro.py"}[player]
    if not program.exists() or (player == "aiohttp" and not machine.has_module("aiohttp")):
        return None
    return {"aiohttp": [machine.PYTHON, str(program), row],
            "rill": [str(program)], "ring": [str(program)], "bare": [str(program)],
            "go": ["env", "GOMAXPROCS=1", str(program), row],
            "asyncio": [sys.executable, str(program), row]}[player]


def on_cpu_0(argv, timeout=300):
    done = subprocess.run(["taskset", "-c", "0", *argv], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout)
    if done.returncode != 0:
        machine.say(f"{' '.join(argv)} ended with {done.returncode}")
    return done.stdout


def fio(path, seconds):
    """The same figures as bench_reads. Submits as much at once as there is, as the loop does."""
    figures = {}
    for kind in ("cached", "direct"):
        for depth in DEPTHS:
            out = on_cpu_0(["fio", "--name=reads", f"--filename={path}", "--readonly",
                            "--rw=randread", "--bs=4k", "--ioengine=io_uring",
                            f"--iodepth={depth}", f"--iodepth_batch_submit={depth}",
                            f"--iodepth_batch_complete_max={depth}", "--time_based",
                            f"--runtime={seconds}", f"--direct={int(kind == 'direct')}",
                            "--invalidate=0", "--norandommap", "--randrepeat=0",
                            "--output-format=json"])
            job = json.loads(out[out.index("{"):])["jobs"][0]
            done = job["read"]
            busy = (job["usr_cpu"] + job["sys_cpu"]) / 100 * done["runtime"] * 1e6
            figures[f"reads-{kind}-{depth}"] = (done["iops"], "IOPS")
            figures[f"reads-{kind}-{depth}-cpu"] = (busy / max(done["total_ios"], 1), "ns")
    return figures


def play(player, row, options):
    """One run of one player: {figure: (value, unit)}; empty where it is missing."""
    if row == "reads" and player == "fio":
        return fio(reads_file(), options.seconds) if machine.find("fio") else {}
    argv = command(player, row)
    if argv is None:
        return {}
    if row == "reads":
        argv += [reads_file(), str(options.seconds)]
    if row == "fetch":
        argv += [f"http://127.0.0.1:{nginx().port}/f/file-1k.bin"]
        if player == "rill":
            argv += [f"https://127.0.0.1:{nginx().tls_port}/f/file-1k.bin",
                     str(server.certificate()[0])]
    lines = [line.split() for line in on_cpu_0(argv).splitlines()]
    return {name: (float(value), unit) for name, value, unit in lines}


def row_figures(row, options):
    """{figure: {player: [values]}} of all rounds, and the units."""
    values, units = {}, {}
    players = ROWS[row]
    if row == "sleepers" and "rill" in players:
        # Discarded: on a virtual machine the first touch of memory costs up to three times the second,
        # and whoever plays first would pay it for all.
        play("rill", row, options)
    for turn in range(options.rounds):
        shift = turn % len(players)
        for player in players[shift:] + players[:shift]:
            for name, (value, unit) in play(player, row, options).items():
                values.setdefault(name, {}).setdefault(player, []).append(value)
                units[name] = unit
    return values, units


def judge(name, unit, medians):
    """Whether librill meets the goal of a figure: a text for the table."""
    bound, peer, ratio = GOALS[name]
    if "rill" not in medians:
        return "-"
    reached, ways = [], []
    if bound is not None:
        reached.append(medians["rill"] <= bound)
        ways.append(f"{bound:,.5g}")
    if peer in medians:
        value = medians["rill"] / medians[peer]
        reached.append(value >= ratio if unit == "IOPS" else value <= ratio)
        ways.append(f"{ratio:.2g}x {peer} (is {value:.2g}x)")
    verdict = f"{'met' if any(reached) else 'MISSED'}: {' or '.join(ways)}" if ways else "-"
    if name in AS_WELL and AS_WELL[name][0] in medians:
        peer, ratio = AS_WELL[name]
        value = medians["rill"] / medians[peer]
        verdict += f"; {'met' if value <= ratio else 'MISSED'}: {ratio:.2g}x {peer} (is {value:.2g}x)"
    return verdict


def build_peers():
    if machine.find("go"):
        machine.build_go(MICRO / "go" / "micro.go", "micro-go")


def run(options):
    rows = [r for r in ROWS if r in options.only]
    if not rows:
        return
    machine.install(["go", "fio"] + ["nginx"] * ("fetch" in rows))
    if "fetch" in rows and not machine.has_module("aiohttp"):
        machine.install_packages(["python3-aiohttp"])
        if not machine.has_module("aiohttp"):
            machine.say(f"{machine.PYTHON} has no aiohttp: the row fetch goes without it")
    build_peers()
    table = report.Runtime(options.rounds)
    if "fetch" in rows and not machine.find("nginx"):
        machine.say("nginx is not there: no row fetch")
        rows.remove("fetch")
    for row in rows:
        values, units = row_figures(row, options)
        for name, by_player in values.items():
            medians = {p: statistics.median(v) for p, v in by_player.items()}
            recorded = {p: v for p, v in RECORDED.get(name, {}).items() if p not in medians}
            table.row(name, units[name], by_player, medians, recorded,
                      judge(name, units[name], medians))
    table.end()
