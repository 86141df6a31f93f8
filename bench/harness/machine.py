"""What the bench needs of the machine: folders, packages, the release build, the facts of a run."""

import os
import pathlib
import platform
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "bench"
RELEASE = ROOT / "build" / "release"
PROGRAMS = RELEASE / "bench"

# The Debian package that brings each program.
PACKAGES = {
    "wrk": "wrk", "nginx": "nginx", "h2o": "h2o", "lighttpd": "lighttpd", "perf": "linux-perf",
    "fio": "fio", "go": "golang-go", "cmake": "cmake", "ninja": "ninja-build",
}
PYTHON = "/usr/bin/python3"  # what Debian's packages bring modules for
# Packages of servers start a service when they are installed. Not here.
INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy
    chmod 755 $policy
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def install_packages(packages):
    if packages and shutil.which("apt-get"):
        say("installing " + " ".join(packages))
        root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*root, "sh", "-c", INSTALL, "install", *packages])


def install(programs):
    """Installs what is missing; only this asks for root. Returns what is still missing."""
    missing = [p for p in programs if not find(p)]
    install_packages([PACKAGES[p] for p in missing])
    return [p for p in missing if not find(p)]


def has_module(name):
    """Whether the system's Python, for which its packages are, has a module."""
    done = subprocess.run([PYTHON, "-c", f"import {name}"], stderr=subprocess.DEVNULL)
    return done.returncode == 0


def quietly(*argv, **options):
    """Runs a command; its output is shown only if it fails, and then the run ends."""
    done = subprocess.run([str(a) for a in argv], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\n{argv[0]} failed")


def build():
    quietly("cmake", "--preset", "release", "-DRILL_TESTS=OFF")
    quietly("cmake", "--build", "--preset", "release", "--target", "bench")


def build_go(source, name):
    env = dict(os.environ, GOCACHE=str(OUT / "go-cache"), GO111MODULE="off")
    quietly("go", "build", "-o", OUT / name, source, env=env)


def prepare():
    OUT.mkdir(parents=True, exist_ok=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read(path, default="unknown"):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return default


def first_line(*argv):
    try:
        done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.strip().split("\n")[0]
    except OSError:
        return "not installed"


def facts():
    """The lines that stand above every table."""
    cpu = [x for x in read("/proc/cpuinfo").split("\n") if x.startswith("model name")]
    cache = read(RELEASE / "CMakeCache.txt", "").split("\n")
    compiler = [x.split("=", 1)[1] for x in cache if x.startswith("CMAKE_C_COMPILER:")]
    presets = [x.split("=", 1)[1] for x in cache if x.startswith(("CMAKE_C_FLAGS:", "RILL_LTO:"))]
    flaws = pathlib.Path("/sys/devices/system/cpu/vulnerabilities")
    mitigated = sorted(f.name for f in flaws.glob("*") if read(f).startswith("Mitigation"))
    return [
        f"commit       {first_line('git', '-C', str(ROOT), 'describe', '--always', '--dirty')}",
        f"kernel       {platform.release()}",
        f"cpu          {cpu[0].split(':')[1].strip() if cpu else platform.machine()}"
        f", {os.cpu_count()} CPUs, governor "
        + read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "none"),
        f"load         {os.getloadavg()[0]:.2f} processes ran when this began; neighbours widen spreads",
        f"mitigations  {', '.join(mitigated) or 'none'}",
        f"compiler     {first_line(compiler[0], '--version') if compiler else 'unknown'}"
        f"; flags {presets[0] if presets else ''}, LTO {presets[-1] if presets else ''}",
    ]
