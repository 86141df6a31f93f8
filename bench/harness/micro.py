"""bench/run runtime: librill beside Go, asyncio and fio."""

ROWS = {}


def run(options):
    pass
