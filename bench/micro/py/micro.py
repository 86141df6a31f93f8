"""micro.py - the asyncio side of bench/run runtime: one row per run, lines of `name value unit`."""

import asyncio
import os
import random
import sys
import time


def report(name, value, unit):
    print(f"{name} {value:.1f} {unit}")


async def spin(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def switch_among(tasks, total):
    each = total // tasks
    start = time.process_time_ns()
    await asyncio.gather(*(asyncio.create_task(spin(each)) for _ in range(tasks)))
    report(f"sched-{tasks}", (time.process_time_ns() - start) / (each * tasks), "ns")


async def sched():
    await switch_among(2, 200_000)
    await switch_among(10_000, 500_000)


async def nothing():
    pass


async def spawn():
    count = 100_000
    start = time.process_time_ns()
    for _ in range(count):
        await asyncio.create_task(nothing())
    report("spawn", (time.process_time_ns() - start) / count, "ns")


async def gather():
    rounds, members = 100, 1000
    start = time.process_time_ns()
    for _ in range(rounds):
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(members)))
    report("gather", (time.process_time_ns() - start) / (rounds * members), "ns")


async def timer():
    loop, count = asyncio.get_running_loop(), 200_000
    pending = [loop.call_later(1000 + i * 0.01, print) for i in range(100_000)]
    start = time.process_time_ns()
    for i in range(count):
        loop.call_later(1 + i % 1000, print).cancel()
    report("timer", (time.process_time_ns() - start) / count, "ns")
    for handle in pending:
        handle.cancel()


async def lock():
    count, mutex = 500_000, asyncio.Lock()
    start = time.process_time_ns()
    for _ in range(count):
        await mutex.acquire()
        mutex.release()
    report("lock", (time.process_time_ns() - start) / count, "ns")


async def queue():
    count, items = 500_000, asyncio.Queue(64)
    start = time.process_time_ns()
    for i in range(count):
        await items.put(i)
        await items.get()
    report("queue", (time.process_time_ns() - start) / count, "ns")


async def handoff():
    count, items = 200_000, asyncio.Queue(1)

    async def produce():
        for i in range(count):
            await items.put(i)

    async def consume():
        for _ in range(count):
            await items.get()

    start = time.process_time_ns()
    await asyncio.gather(produce(), consume())
    report("handoff", (time.process_time_ns() - start) / count, "ns")


async def sleepers():
    start = time.process_time()
    tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(1_000_000)]
    await asyncio.sleep(0)
    report("sleepers-time", time.process_time() - start, "s")
    with open("/proc/self/status") as status:
        sizes = dict(line.split(":", 1) for line in status)
    kib = sum(int(sizes[key].split()[0]) for key in ("VmRSS", "VmPTE"))
    report("sleepers-memory", kib / 1024, "MiB")
    sys.stdout.flush()
    os._exit(0 if tasks else 1)


async def read_blocks(fd, blocks, end, counts):
    loop = asyncio.get_running_loop()
    while time.monotonic() < end:
        at = random.randrange(blocks) * 4096
        await loop.run_in_executor(None, os.pread, fd, 4096, at)
        counts[0] += 1


async def reads(path, length):
    """The page cache only: O_DIRECT wants aligned memory, which pread of Python does not have."""
    fd = os.open(path, os.O_RDONLY)
    blocks = os.fstat(fd).st_size // 4096
    for depth in (1, 8, 32, 128):
        counts, end = [0], time.monotonic() + length
        before = time.process_time_ns()
        await asyncio.gather(*(read_blocks(fd, blocks, end, counts) for _ in range(depth)))
        cpu = time.process_time_ns() - before
        report(f"reads-cached-{depth}", counts[0] / length, "IOPS")
        report(f"reads-cached-{depth}-cpu", cpu / counts[0], "ns")


async def fetch(url):
    import aiohttp  # the row is left out where it is missing

    async def get(session):
        async with session.get(url) as response:
            if response.status != 200 or not await response.read():
                raise SystemExit("not what was asked for")

    at_once, rounds = 1000, 4
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(get(session) for _ in range(at_once)))
        start = time.process_time_ns()
        for _ in range(rounds):
            await asyncio.gather(*(get(session) for _ in range(at_once)))
        report("fetch", (time.process_time_ns() - start) / (at_once * rounds), "ns")


def main():
    if sys.argv[1] == "fetch":
        return asyncio.run(fetch(sys.argv[2]))
    rows = {f.__name__: f for f in (sched, spawn, gather, timer, lock, queue, handoff, sleepers)}
    name = sys.argv[1]
    asyncio.run(reads(sys.argv[2], float(sys.argv[3])) if name == "reads" else rows[name]())


main()
