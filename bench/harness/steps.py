"""User-space instructions per request, exactly, on machines without performance counters."""

import re
import signal
import socket
import subprocess
import time

from . import machine

CONNECTIONS_MAX = 64


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


def count(server, path, connections, pipelined):
    """Steps `server` through one request (or batch) per connection, all sent at once."""
    connections = min(connections, CONNECTIONS_MAX)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=60)
               for _ in range(connections)]
    size = response_size(clients[0], request) * pipelined
    for _ in range(3):
        drive(clients, request * pipelined, size)
    # On the CPU of the server: a step is two switches, and across CPUs each would be a wake-up.
    argv = ["taskset", "-c", "0", machine.PROGRAMS / "steps", *map(str, server.threads())]
    stepper = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        stepper.stdout.readline()
        drive(clients, request * pipelined, size)
    finally:
        while stepper.poll() is None:
            stepper.send_signal(signal.SIGINT)
            time.sleep(0.02)
    for client in clients:
        client.close()
    return int(stepper.stdout.read()) / (connections * pipelined)
