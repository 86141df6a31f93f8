"""A server under test: started on CPU 0, checked, watched through /proc, stopped by its ids."""

import getpass
import hashlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from . import machine

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
BODY = b"Hello, World!"
running = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(name, port):
    """Fills in the configuration of a peer; returns the path of the result."""
    values = {"PORT": port, "DIR": machine.OUT, "FILES": machine.OUT / "files",
              "USER": getpass.getuser()}
    text = (PEERS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = machine.OUT / name
    path.write_text(text)
    return str(path)


def command(name, port):
    """The command line of a server, or None where it is not there."""
    program = {"floor": machine.PROGRAMS / "floor", "rilld": machine.RELEASE / "rilld",
               "go": machine.OUT / "hello-go"}.get(name) or machine.find(name)
    if not program or not os.path.exists(program):
        return None
    program = str(program)
    return {
        "floor": lambda: [program, "127.0.0.1", str(port)],
        "rilld": lambda: [program, "--config", configure("rilld.yaml", port)],
        "nginx": lambda: [program, "-e", str(machine.OUT / "nginx.err"), "-c",
                          configure("nginx.conf", port)],
        "h2o": lambda: [program, "-c", configure("h2o.conf", port)],
        "lighttpd": lambda: [program, "-D", "-f", configure("lighttpd.conf", port)],
        "go": lambda: ["env", "GOMAXPROCS=1", program, f"127.0.0.1:{port}"],
    }[name]()


def version(name):
    if name in ("floor", "rilld"):
        return "this tree"
    flag = {"nginx": "-v", "lighttpd": "-v", "go": "version"}.get(name, "--version")
    return machine.first_line(machine.find(name) or name, flag)


class Server:
    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.argv = command(name, self.port)

    def start(self):
        log = open(machine.OUT / f"{self.name}.out", "wb")
        # Its own process group, so that the whole tree can be ended by one id; and it ends with us.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", "0", *self.argv],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        running.append(self)
        end = time.monotonic() + 10
        while not self.answers():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start; see {log.name}")
            time.sleep(0.05)
        self.born = self.tree()

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def tree(self):
        """The ids of the server and of all its descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                stat = machine.read(f"/proc/{entry}/stat", "")
                if stat:
                    parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
        tree = [self.process.pid]
        for pid in tree:
            tree += [child for child, parent in parents.items() if parent == pid]
        return tree

    def threads(self):
        return [int(t.name) for p in self.tree() for t in pathlib.Path(f"/proc/{p}/task").glob("*")]

    def cpu_ns(self):
        """The run time of every thread of the tree, as the scheduler has counted it."""
        return sum(int(machine.read(f"/proc/{t}/schedstat", "0").split()[0])
                   for t in self.threads())

    def pss_kib(self):
        """Proportional memory of the tree: shared pages are divided among their users."""
        total = 0
        for pid in self.tree():
            found = re.search(r"^Pss: *(\d+)", machine.read(f"/proc/{pid}/smaps_rollup", ""), re.M)
            total += int(found.group(1)) if found else 0
        return total

    def check(self, path, body):
        """One request by hand; raises if the answer is not exactly the expected one."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        client.request("GET", path)
        answer = client.getresponse()
        got = answer.read()
        client.close()
        expected = BODY if self.name == "floor" else body
        if answer.status != 200 or int(answer.headers["Content-Length"]) != len(expected):
            raise RuntimeError(f"{self.name} answers {answer.status}, {len(got)} bytes to {path}")
        if hashlib.sha256(got).digest() != hashlib.sha256(expected).digest():
            raise RuntimeError(f"{self.name} answers the wrong body to {path}")

    def stop(self):
        group = self.process.pid
        for signo, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 1)):
            try:
                os.killpg(group, signo)
                self.process.wait(patience)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                pass
        self.process.wait()
        running.remove(self)


def stop_all():
    for server in list(running):
        server.stop()
