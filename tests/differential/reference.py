"""reference.py - runs a program (see program.py) on CPython's asyncio and tells what happened."""
import asyncio
import contextvars
import errno
import os
import signal
import sys
import traceback

import contract
import program as language
from contract import deliver_pending

TASKS_MAX = 40


class Failure(Exception):
    """An error code of the program."""


# What a RuntimeError or ValueError of a statement is called.
MISUSE = {'unlock': -errno.EPERM, 'cond_wait': -errno.EPERM, 'cond_until': -errno.EPERM, 'notify': -errno.EPERM,
          'release': -errno.EOVERFLOW, 'task_done': -errno.EOVERFLOW, 'fire': -errno.EINVAL,
          'reschedule': -errno.EINVAL, 'spawn': -errno.ESHUTDOWN}

CODES = {asyncio.TimeoutError: -errno.ETIME, asyncio.QueueShutDown: -errno.ESHUTDOWN, asyncio.QueueFull: -errno.EAGAIN,
         asyncio.QueueEmpty: -errno.EAGAIN, asyncio.BrokenBarrierError: -errno.ESTALE,
         asyncio.CancelledError: -errno.ECANCELED}

QUEUES = {'fifo': asyncio.Queue, 'lifo': asyncio.LifoQueue, 'priority': asyncio.PriorityQueue}


def failure(error, verb):
    """`error`, or what a misuse of `verb` is called."""
    if isinstance(error, asyncio.InvalidStateError) and verb in ('set', 'error'):
        return Failure(-errno.EALREADY)
    if isinstance(error, (RuntimeError, ValueError, asyncio.InvalidStateError)) and verb in MISUSE:
        return Failure(MISUSE[verb])
    return error


def describe(error):
    """An error as the trace has it."""
    if isinstance(error, BaseExceptionGroup):
        return describe(error.exceptions[0])
    code = error.args[0] if isinstance(error, Failure) else CODES.get(type(error))
    if code is None:
        return repr(error)
    message = ' ' + str(error.args[0] if error.args and error.args[0] else '-')
    return '-' + errno.errorcode[-code] + (message if code == -errno.ECANCELED else '')


def plain(result):
    """As the trace has it."""
    return 0 if result is None or isinstance(result, list) else result


def seconds(span):
    return None if span == '-' else int(span) / 1000


class Call:
    """A statement that the loop makes."""

    def __init__(self, run, words):
        self.run, self.words, self.made = run, words, False

    def __call__(self):
        self.made = True
        verb, *operands = self.words
        try:
            outcome = plain(getattr(self.run, 'do_' + verb)(*operands))
        except BaseException as error:
            outcome = describe(failure(error, verb))
        self.run.log('call', *self.words, '->', outcome)


class Run:
    """One run of a program; its verbs are methods: do_X, or await_X for those that may wait."""

    def __init__(self, program):
        self.procs, self.trace = program.procs, []
        head = {words[0]: words[1:] for words in program.head}
        self.tops, self.futures = int(head['tops'][0]), int(head['futures'][0])
        self.slots, self.scopes, self.groups = {}, {}, {}
        self.watchers = {}
        self.messages, self.open = 0, True
        self.eager = head['eager'] == ['1']
        self.permits, self.parties = head['permits'], int(head['parties'][0])
        self.var = contextvars.ContextVar('var', default=0)
        self.queue_heads = [words for words in program.head if words[0] == 'queue']

    def log(self, *words):
        if self.open:
            self.trace.append(' '.join(map(str, words)))

    def main(self):
        loop = self.loop = contract.Loop(self.eager)
        loop.set_exception_handler(lambda *_: None)
        main = contract.Task(self.begin(), loop=loop)
        loop.run_until_complete(main)
        return self.trace

    async def begin(self):
        self.lock, self.event = asyncio.Lock(), asyncio.Event()
        kind = asyncio.BoundedSemaphore if self.permits[1] == 'bounded' else asyncio.Semaphore
        self.semaphore, self.barrier = kind(int(self.permits[0])), contract.Barrier(self.parties)
        self.condition = contract.Condition(self.lock)
        for i, (_, size, order) in enumerate(self.queue_heads):
            self.slots[f'q{i}'] = QUEUES[order](int(size))
        for i in range(self.futures):
            self.slots[f'f{i}'] = self.loop.create_future()
        self.count = self.tops
        for i in range(self.tops):
            self.slots[f't{i}'] = self.loop.create_task(self.proc(i, i))
        await asyncio.sleep(1000)
        for name in [f't{i}' for i in range(self.tops)] + [f'f{i}' for i in range(self.futures)]:
            future = self.slots[name]
            self.log(name, self.outcome(future), *([future.cancelling()] if name[0] == 't' else []))
        self.open = False

    def outcome(self, future):
        if not future.done():
            return 'pending'
        try:
            return plain(future.result())
        except BaseException as error:
            return describe(error)

    async def proc(self, me, index):
        self.log(me, 'begins')
        try:
            value = await self.block(me, self.procs[index], None) or 0
        except BaseException as error:
            self.log(me, 'ends', describe(error))
            raise
        self.log(me, 'ends', value)
        return value

    async def block(self, me, statements, group):
        """The result that a `return` in it gives to the procedure, else None."""
        for statement in statements:
            words = statement.words
            try:
                if words[0] == 'return':
                    return int(words[1])
                if words[0] in language.BLOCKS:
                    value = await getattr(self, 'block_' + words[0])(me, *words[1:], statement.body, group)
                    if value is not None:
                        return value
                    self.log(me, *words, '->', 0)
                    continue
                result = await self.statement(words, group)
                self.log(me, *words, '->', plain(result))
            except BaseException as error:
                error = failure(error, words[0])
                self.log(me, *words, '->', describe(error))
                if not statement.attempt:
                    raise error

    async def statement(self, words, group):
        verb, *operands = words
        if verb == 'fail':
            raise Failure(int(operands[0]))
        if verb == 'spawn':
            return self.spawn(group, *operands)
        waits = getattr(self, 'await_' + verb, None)
        return await waits(*operands) if waits else getattr(self, 'do_' + verb)(*operands)

    # Blocks.

    def at(self, span):
        return None if span == '-' else self.loop.time() + seconds(span)

    async def block_scope(self, me, slot, span, body, group):
        scope = asyncio.timeout_at(self.at(span))
        try:
            async with scope:
                self.scopes[slot] = scope
                return await self.block(me, body, group)
        finally:
            if self.scopes.get(slot) is scope:
                del self.scopes[slot]
            self.log(me, 'left scope', int(scope.expired()), asyncio.current_task().cancelling())

    async def block_limit(self, me, span, body, group):
        deliver_pending()
        if span == '0':  # D5
            raise asyncio.TimeoutError
        return await asyncio.wait_for(self.block(me, body, group), seconds(span))

    async def block_group(self, me, slot, body, _):
        try:
            async with contract.Group() as group:
                self.groups[slot] = group
                return await self.block(me, body, group)
        finally:
            self.log(me, 'left group', asyncio.current_task().cancelling())

    def spawn(self, group, slot, proc):
        group = group if slot == 'here' else self.groups.get(slot)
        if group is None or self.count >= TASKS_MAX:
            return 'none'
        self.count += 1
        coro = self.proc(self.count - 1, int(proc))
        try:
            group.create_task(coro)
        except RuntimeError:
            self.count -= 1
            coro.close()
            raise

    # Time.

    async def await_turn(self):
        deliver_pending()
        await asyncio.sleep(0)

    async def await_sleep(self, span):
        deliver_pending()
        await asyncio.sleep(seconds(span))

    # Futures and tasks.

    def find(self, name):
        """What the slot has; None also for the running task, which does not await itself."""
        found = self.slots.get(name)
        return None if found is asyncio.current_task() else found

    def members(self, names):
        found = [self.find(name) for name in names]
        return [member for member in found if member is not None]

    async def awaited(self, future):
        deliver_pending(future)
        return await future

    async def await_await(self, name):
        future = self.find(name)
        if future is None:
            return 'none'
        return await self.awaited(future)

    async def await_shield(self, name):
        future = self.find(name)
        if future is None:
            return 'none'
        return await self.awaited(asyncio.shield(future))

    async def await_wait_for(self, name, span):
        future = self.find(name)
        if future is None:
            return 'none'
        if span == '0':
            deliver_pending()
            return await contract.wait_for_now(future)
        deliver_pending(future)
        return await asyncio.wait_for(future, seconds(span))

    async def await_wait(self, when, span, *names):
        members = self.members(names)
        if not members:
            return 'none'
        deliver_pending()
        when = {'all': asyncio.ALL_COMPLETED, 'first': asyncio.FIRST_COMPLETED, 'error': asyncio.FIRST_EXCEPTION}[when]
        return await contract.wait(members, when, seconds(span))

    def do_gather(self, slot, flag, *names):
        members = self.members(names)
        if not members:
            return 'none'
        self.slots[slot] = asyncio.gather(*members, return_exceptions=flag == 'errors')
        return int(self.slots[slot].done())

    def do_cover(self, slot, name):
        if self.find(name) is None:
            return 'none'
        self.slots[slot] = asyncio.shield(self.find(name))
        return int(self.slots[slot].done())

    def do_completed(self, slot, span, *names):
        members = self.members(names)
        if not members:
            return 'none'
        self.slots[slot] = contract.Completed(members, seconds(span))

    async def await_next(self, slot):
        iteration = self.slots.get(slot)
        if iteration is None:
            return 'none'
        deliver_pending()
        found = await iteration.next()
        if found is None:
            return 'no more'
        return ''.join(name for name, slot in self.slots.items() if slot is found and name[0] in 'ftk')

    def do_set(self, name, value):
        self.slots[name].set_result(int(value))

    def do_error(self, name, value):
        self.slots[name].set_exception(Failure(int(value)))

    def do_cancel(self, name):
        future = self.slots.get(name)
        if future is None:
            return 'none'
        self.messages += 1
        return int(future.cancel(f'm{self.messages}'))

    def do_result(self, name):
        future = self.slots.get(name)
        if future is None:
            return 'none'
        return self.outcome(future)

    def do_uncancel(self):
        return asyncio.current_task().uncancel()

    def do_cancelling(self):
        return asyncio.current_task().cancelling()

    def do_start(self, slot, proc, how):
        if self.count >= TASKS_MAX:
            return 'none'
        self.count += 1
        coro = self.proc(self.count - 1, int(proc))
        self.slots[slot] = contract.Task(coro, loop=self.loop, eager_start=self.eager or how == 'eager')

    # Calls.

    def watcher(self, number):
        return self.watchers.setdefault(number, lambda future: self.log('watcher', number, '->', self.outcome(future)))

    def do_watch(self, name, number):
        future = self.slots.get(name)
        return 'none' if future is None else future.add_done_callback(self.watcher(number))

    def do_unwatch(self, name, number):
        future = self.slots.get(name)
        return 'none' if future is None else future.remove_done_callback(self.watcher(number))

    def do_soon(self, slot, *words):
        call = self.slots[slot] = Call(self, words)
        call.handle = self.loop.call_soon(call)

    def do_later(self, slot, span, *words):
        call = self.slots[slot] = Call(self, words)
        call.handle = self.loop.call_later(seconds(span), call)

    def do_drop(self, slot):
        call = self.slots.get(slot)
        if call is None:
            return 'none'
        still = not call.made and not call.handle.cancelled()
        call.handle.cancel()
        return int(still)

    # Values and scopes.

    def do_var_set(self, value):
        self.var.set(int(value))

    def do_var_get(self):
        return self.var.get()

    def do_fire(self, slot):
        if slot not in self.scopes:
            return 'none'
        self.scopes[slot].reschedule(self.loop.time() - 1)

    def do_reschedule(self, slot, span):
        if slot not in self.scopes:
            return 'none'
        self.scopes[slot].reschedule(self.at(span))

    # Locks.

    async def await_lock(self):
        deliver_pending()
        await self.lock.acquire()

    def do_unlock(self):
        self.lock.release()

    def do_locked(self):
        return int(self.lock.locked())

    async def await_cond_wait(self):
        deliver_pending()
        await self.condition.wait()

    async def await_cond_until(self):
        deliver_pending()
        await self.condition.wait_for(self.event.is_set)

    def do_notify(self, count):
        self.condition.notify(int(count))

    async def await_event_wait(self):
        deliver_pending()
        await self.event.wait()

    def do_event_set(self):
        self.event.set()

    def do_event_clear(self):
        self.event.clear()

    async def await_acquire(self):
        deliver_pending()
        await self.semaphore.acquire()

    def do_release(self):
        self.semaphore.release()

    def do_sem_locked(self):
        return int(self.semaphore.locked())

    async def await_barrier(self):
        deliver_pending()
        return await self.barrier.wait()

    async def await_barrier_reset(self):
        await self.barrier.reset()

    async def await_barrier_abort(self):
        await self.barrier.abort()

    def do_barrier_state(self):
        return f'{self.barrier.n_waiting} {int(self.barrier.broken)}'

    # Queues.

    async def await_put(self, name, item):
        deliver_pending()
        await self.slots[name].put(int(item))

    async def await_get(self, name):
        deliver_pending()
        return await self.slots[name].get()

    def do_put_nowait(self, name, item):
        self.slots[name].put_nowait(int(item))

    def do_get_nowait(self, name):
        return self.slots[name].get_nowait()

    def do_task_done(self, name):
        self.slots[name].task_done()

    async def await_join(self, name):
        deliver_pending()
        await self.slots[name].join()

    def do_size(self, name):
        return self.slots[name].qsize()

    def do_shutdown(self, name, how):
        self.slots[name].shutdown(immediate=how == 'now')


def run(program):
    """The trace of `program`, made in a process of its own: what is left behind goes with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            signal.alarm(10)
            with open(writer, 'w') as out:
                try:
                    trace = Run(program).main()
                except BaseException as error:
                    trace = [f'the reference broke: {error!r}', traceback.format_exc()]
                out.write('\n'.join(trace) + '\n')
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as out:
        text = out.read()
    os.waitpid(child, 0)
    return text


if __name__ == '__main__':
    sys.stdout.write(run(language.parse(sys.stdin.read())))
