"""The idle row of bench/run http: what ten thousand idle connections cost in user memory."""

import socket

from . import report, server

NAME = "idle"
CONNECTIONS = 10000


def cost(target):
    """Octets per connection, each having had one answer before it fell silent."""
    request = f"GET /f/13.bin HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
    before = target.pss_kib()
    clients = []
    for _ in range(CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", target.port), timeout=10)
        client.sendall(request)
        if not client.recv(4096).startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{target.name} did not answer connection {len(clients)}")
        clients.append(client)
    after = target.pss_kib()
    for client in clients:
        client.close()
    return (after - before) * 1024 / CONNECTIONS, after


def run(options, names):
    if NAME not in options.only:
        return
    table = report.Idle(CONNECTIONS)
    for target in [server.Server(n) for n in names if n != "go"]:
        try:
            target.start()
            table.row(target.name, *cost(target))
        except (RuntimeError, OSError) as flaw:
            table.line(f"{target.name:9} void: {flaw}")
        finally:
            server.stop_all()
    table.end()
