"""User-space instructions per request, exactly, on machines without performance counters."""

import collections
import re
import signal
import socket
import subprocess

from . import machine, report, server

REQUESTS_MAX = 16  # in one turn of the server, which must stay below the patience of its watchdog
WARM_UP = 20  # rounds, after which the worker is the process that has run most
SHOWN_MAX = 40


def receive(client, size):
    while size > 0:
        data = client.recv(min(size, 1 << 20))
        if not data:
            raise RuntimeError("the server closed the connection")
        size -= len(data)


def response_size(client, request):
    """How many bytes one answer has: the same for each, the date has a fixed length."""
    client.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
    size = head.index(b"\r\n\r\n") + 4 + length
    receive(client, size - len(head))
    return size


def drive(clients, request, size):
    for client in clients:
        client.sendall(request)
    for client in clients:
        receive(client, size)


def places(target, scenario):
    """Steps the worker of `target` through one request (or batch) per connection, all sent at once:
    its id, and how often each address was executed, per request. A master does only what the clock
    tells it, and is left alone."""
    pipelined = scenario.pipelined
    connections = min(scenario.connections, max(1, REQUESTS_MAX // pipelined))
    request = f"GET {scenario.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", target.port), timeout=60)
               for _ in range(connections)]
    size = response_size(clients[0], request) * pipelined
    before = {pid: server.run_time(pid) for pid in target.tree()}
    for _ in range(WARM_UP):
        drive(clients, request * pipelined, size)
    worker = max(before, key=lambda pid: server.run_time(pid) - before[pid])
    # On the CPU of the server: a step is two switches, and across CPUs each would be a wake-up.
    # Requests run on its first thread; the others watch the clock, not the requests.
    argv = ["taskset", "-c", "0", machine.PROGRAMS / "steps", str(worker)]
    stepper = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        stepper.stdout.readline()
        drive(clients, request * pipelined, size)
    finally:
        stepper.send_signal(signal.SIGINT)
        lines = stepper.communicate()[0].splitlines()
    for client in clients:
        client.close()
    requests = connections * pipelined
    return worker, {int(at, 16): int(count) / requests for at, count in map(str.split, lines)}


def count(target, scenario):
    return sum(places(target, scenario)[1].values())


def functions_of(pid, counts):
    """Sums the counts by function, those that the compiler has put into others told apart."""
    maps, by_file, sums = [], {}, collections.Counter()
    for line in machine.read(f"/proc/{pid}/maps").splitlines():
        fields = line.split()
        low, high = (int(x, 16) for x in fields[0].split("-"))
        path = fields[5] if len(fields) > 5 else "?"
        base = next((m[3] for m in maps if m[2] == path), low - int(fields[2], 16))
        maps.append((low, high, path, base))
    for address, count in counts.items():
        _, _, path, base = next((m for m in maps if m[0] <= address < m[1]), (0, 0, "?", 0))
        by_file.setdefault(path, []).append((address - base, count))
    for path, found in by_file.items():
        if path.startswith("/"):
            out = subprocess.run(["addr2line", "-f", "-e", path], text=True, capture_output=True,
                                 input="".join(f"{at:#x}\n" for at, _ in found)).stdout
            names = out.splitlines()[::2]
        else:
            names = ["??"] * len(found)
        for name, (_, count) in zip(names, found):
            sums[f"{name} ({path.rpartition('/')[2]})"] += count
    return sums


def profile(names, scenarios):
    """bench/run profile: where the user-space instructions of a request are."""
    table = report.Table("profile")
    for scenario in scenarios:
        for name in (n for n in names if scenario.serves(n)):
            target = server.Server(name)
            try:
                target.start()
                target.check(scenario.path, scenario.body())
                functions = functions_of(*places(target, scenario))
                table.line(f"\n{scenario.name}, {name}: {sum(functions.values()):,.0f}"
                           " user instructions per request")
                for function, share in functions.most_common(SHOWN_MAX):
                    table.line(f"{share:9,.1f}  {function}")
            finally:
                server.stop_all()
    table.end()
