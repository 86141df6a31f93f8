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


def certificate():
    """A certificate for 127.0.0.1, signed by itself, with its key; the paths of both."""
    paths = [machine.OUT / "certificate.pem", machine.OUT / "key.pem"]
    if not all(path.exists() for path in paths):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out",
                        str(paths[0]), "-keyout", str(paths[1])],
                       check=True, stderr=subprocess.DEVNULL)
    return paths


def configure(server, peer, port, access_log="off", tls_port=0):
    """Fills in the configuration of a peer for a server; returns the path of the result. nginx listens at
    a second port where there is one, and speaks TLS there."""
    tls = ""
    if tls_port:
        pem, key = certificate()
        tls = (f"listen 127.0.0.1:{tls_port} ssl backlog=4096; ssl_protocols TLSv1.2 TLSv1.3;"
               f" ssl_certificate {pem}; ssl_certificate_key {key};")
    values = {"PORT": port, "TLS": tls, "DIR": machine.OUT, "FILES": machine.OUT / "files",
              "USER": getpass.getuser(), "ACCESS_LOG": access_log}
    text = (PEERS / peer).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = machine.OUT / f"{server}-{peer}"
    path.write_text(text)
    return str(path)


def program(name):
    """The executable of a server, or None where it is not there."""
    rilld = machine.RELEASE / "rilld"
    ours = {"floor": machine.PROGRAMS / "floor", "rilld": rilld, "rilld-log": rilld,
            "go": machine.OUT / "hello-go"}
    path = ours.get(name) or machine.find(name)
    return str(path) if path and os.path.exists(path) else None


def command(name, port, tls_port=0):
    path = program(name)
    if name == "floor":
        return [path, "127.0.0.1", str(port)]
    if name == "rilld":
        return [path, "--config", configure(name, "rilld.yaml", port)]
    if name == "rilld-log":
        log = machine.OUT / "access.log"
        return [path, "--config", configure(name, "rilld.yaml", port, log)]
    if name == "nginx":
        errors = str(machine.OUT / "nginx.err")
        return [path, "-e", errors, "-c", configure(name, "nginx.conf", port, tls_port=tls_port)]
    if name == "h2o":
        return [path, "-c", configure(name, "h2o.conf", port)]
    if name == "lighttpd":
        return [path, "-D", "-f", configure(name, "lighttpd.conf", port)]
    return ["env", "GOMAXPROCS=1", path, f"127.0.0.1:{port}"]


def version(name):
    if name in ("floor", "rilld", "rilld-log"):
        return "this tree"
    flag = {"nginx": "-v", "lighttpd": "-v", "go": "version"}.get(name, "--version")
    return machine.first_line(machine.find(name) or name, flag)


def threads(pid):
    return [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").glob("*")]


def run_time(pid):
    return sum(int(machine.read(f"/proc/{t}/schedstat", "0").split()[0]) for t in threads(pid))


class Server:
    def __init__(self, name, cpu=0, tls=False):
        self.name, self.port, self.cpu = name, free_port(), cpu
        self.tls_port = free_port() if tls else 0
        self.argv = command(name, self.port, self.tls_port)

    def start(self):
        log = open(machine.OUT / f"{self.name}.out", "wb")
        # Its own process group, so that the whole tree can be ended by one id; and it ends with us.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(self.cpu), *self.argv],
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

    def cpu_ns(self):
        """The run time of every thread of the tree, as the scheduler has counted it."""
        return sum(map(run_time, self.tree()))

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
