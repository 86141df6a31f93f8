"""reference.py - runs a program (see program.py) on CPython's asyncio and tells what happened.

asyncio is used as it is, but for the differences that the contract of the runtime makes on purpose. They are the
table DIFFERENCES; each has its rule, and the code that follows it is marked with the same number.
"""
import asyncio
import contextvars
import errno
import os
import signal
import sys
from asyncio import futures, locks, taskgroups, tasks

import program as language

DIFFERENCES = {
    'D1': ('4.2', 'a pending cancel is delivered by the next await, also by one that need not wait; an await of '
                  'a future or task hands it on instead'),
    'D2': ('3.1', 'a timer makes those that wait for it ready: asyncio needs one more turn'),
    'D3': ('1.1, 3.1', 'sets, and timers that are due at once, are in order of creation: asyncio has no order'),
    'D4': ('4', 'the message of a cancel reaches all who ask: asyncio tells it to the first one, and loses it when '
                'a group takes a request back and makes it again'),
    'D5': ('3.4', 'wait and wait_for that need not wait return at once: asyncio lets turns pass'),
    'D6': ('9/37, 9/45', 'wait_for with no time cancels and awaits: asyncio wakes a turn later, and leaves when it is '
                         'cancelled meanwhile'),
    'D7': ('9/101', 'a barrier counts those that wait and are not cancelled, and numbers them when it is full; '
                    'who comes too early is woken when it can be used again: asyncio counts a cancelled one until it '
                    'has run, may give a number twice, and wakes tasks by chance'),
    'D8': ('6, 9/71', 'who waits for the next completion gets it in order of arrival, and takes none when cancelled: '
                      'in asyncio a later one may come first, and a cancelled one counts'),
    'D9': ('9/89', 'a group hears of a child that ended inside the create call in the next turn, as in Python 3.13.2'),
}

TASKS_MAX = 40


# --- The loop: virtual time, tasks and futures written in Python, which can be looked into. ---

def deliver_pending(awaited=None):
    """D1. `awaited`: the future that is about to be awaited."""
    task = asyncio.current_task()
    if not task._must_cancel:
        return
    if awaited is not None and not awaited.done() and awaited.cancel(msg=task._cancel_message):
        task._must_cancel = False
        return
    task._must_cancel = False
    raise task._make_cancelled_error()


class Awaited:
    def __await__(self):
        deliver_pending(self)
        return (yield from super().__await__())

    def _make_cancelled_error(self):
        error = super()._make_cancelled_error()
        if self.done() and error.args:
            self._cancel_message = error.args[0]  # D4
        return error


class Future(Awaited, futures._PyFuture):
    def cancel(self, msg=None):
        caller = sys._getframe(1)
        if caller.f_code.co_name == '_inner_done_callback':  # D4: of shield
            try:
                caller.f_locals['inner'].result()
            except asyncio.CancelledError as error:
                msg = error.args[0] if error.args else None
        return super().cancel(msg)


class Task(Awaited, tasks._PyTask):
    asked = None  # D4: the message of the last cancel
    barrier = None  # D7: that it waits in

    def cancel(self, msg=None):
        caller = sys._getframe(1)
        if caller.f_globals is vars(taskgroups) and caller.f_code.co_name in ('__aexit__', '_aexit'):
            msg = self.asked  # D4: the request that the group takes back and makes again
        self.asked = msg
        taken = super().cancel(msg)
        if taken and self.barrier is not None:
            self.barrier.leave(self)
        return taken


class OrderedSet(dict):
    """D3."""

    def __init__(self, members=()):
        super().__init__((member, None) for member in members)

    def add(self, member):
        self[member] = None

    def remove(self, member):
        del self[member]

    def discard(self, member):
        self.pop(member, None)


taskgroups.set = OrderedSet


def end_now(future, result=None):
    """D2: what waits for `future` runs in this turn."""
    if not future.done():
        waiting, future._callbacks = future._callbacks, []
        future.set_result(result)
        for callback, context in waiting:
            context.run(callback, future)


class Clock:
    """A selector that finds nothing, and lets time pass."""

    now = 0.0

    def select(self, timeout):
        if timeout is None:
            raise SystemExit('deadlock')
        Clock.now += timeout
        return []


class Loop(asyncio.BaseEventLoop):
    def __init__(self, eager):
        super().__init__()
        self._selector, self._clock_resolution = Clock(), 1e-5
        self.timers = 0
        self.set_task_factory(lambda loop, coro, **options: Task(coro, loop=loop, eager_start=eager, **options))

    def time(self):
        return Clock.now

    def _process_events(self, events):
        pass

    def create_future(self):
        return Future(loop=self)

    def call_at(self, when, callback, *args, **options):
        if callback in (futures._set_result_unless_cancelled, tasks._release_waiter):
            callback = end_now
        self.timers += 1
        return super().call_at(when + self.timers * 1e-9, callback, *args, **options)  # D3


class Stubborn(Future):
    """Whose waiter gets a cancel when it is done, not sooner."""

    def cancel(self, msg=None):
        return False


async def wait_for_now(future):
    """D5, D6."""
    if future.done():
        return future.result()
    future.cancel()
    if not future.done():
        ended = Stubborn(loop=asyncio.get_running_loop())
        future.add_done_callback(lambda _: end_now(ended))
        await ended
    if future.cancelled():
        raise asyncio.TimeoutError
    return future.result()


class BarrierCondition(asyncio.Condition):
    """D7: nobody is woken by chance when a waiter is cancelled."""

    def notify(self, n=1):
        super()._notify(n)

    def _notify(self, n):
        pass


class Barrier(asyncio.Barrier):
    """D7."""

    def __init__(self, parties):
        super().__init__(parties)
        self._cond = BarrierCondition()
        self.outside = BarrierCondition(self._cond._lock)
        self.inside, self.gone, self.indexes = OrderedSet(), set(), {}

    def leave(self, task):
        if task in self.inside:
            self.inside.remove(task)
            self.gone.add(task)
            self._count -= 1

    async def wait(self):
        index = await super().wait()
        return self.indexes.pop(asyncio.current_task(), index)

    async def _wait(self):
        task = asyncio.current_task()
        self.inside.add(task)
        task.barrier = self
        try:
            await super()._wait()
        finally:
            task.barrier = None
            self.inside.discard(task)
            if task in self.gone:
                self.gone.remove(task)
                self._count += 1  # wait takes it back

    async def _release(self):
        self.indexes.update((task, i) for i, task in enumerate(self.inside))
        self.inside = OrderedSet()
        await super()._release()

    async def _block(self):
        await self.outside.wait_for(lambda: self._state.value not in ('draining', 'resetting'))
        await super()._block()

    def _exit(self):
        super()._exit()
        if self._count == 0:
            self.outside.notify_all()

    async def reset(self):
        self.inside = OrderedSet()
        await super().reset()
        if self._count == 0:
            self.outside.notify_all()

    async def abort(self):
        self.inside = OrderedSet()
        await super().abort()
        self.outside.notify_all()


class Group(asyncio.TaskGroup):
    def _on_task_done(self, task):
        if sys._getframe(1).f_code.co_name == 'create_task':  # D9
            self._tasks.add(task)
            task.add_done_callback(self._on_task_done)
        else:
            super()._on_task_done(task)


# --- The program. ---

class Failure(Exception):
    """An error code of the program."""


# What a RuntimeError or ValueError of a statement is called.
MISUSE = {'unlock': -errno.EPERM, 'cond_wait': -errno.EPERM, 'cond_until': -errno.EPERM, 'notify': -errno.EPERM, 'release': -errno.EOVERFLOW,
          'task_done': -errno.EOVERFLOW, 'fire': -errno.EINVAL, 'reschedule': -errno.EINVAL,
          'spawn': -errno.ESHUTDOWN}

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
    return 0 if result is None or isinstance(result, list) else result


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
        loop = self.loop = Loop(self.eager)
        loop.set_exception_handler(lambda *_: None)
        asyncio._set_running_loop(None)
        main = Task(self.begin(), loop=loop)
        loop.run_until_complete(main)
        return self.trace

    async def begin(self):
        self.lock, self.event = asyncio.Lock(), asyncio.Event()
        kind = asyncio.BoundedSemaphore if self.permits[1] == 'bounded' else asyncio.Semaphore
        self.semaphore, self.barrier = kind(int(self.permits[0])), Barrier(self.parties)
        self.condition = asyncio.Condition(self.lock)
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
        return None if span == '-' else self.loop.time() + int(span) / 1000

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
        return await asyncio.wait_for(self.block(me, body, group), None if span == '-' else int(span) / 1000)

    async def block_group(self, me, slot, body, _):
        try:
            async with Group() as group:
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
        await asyncio.sleep(int(span) / 1000)

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
        result = await self.awaited(future)
        return result

    async def await_shield(self, name):
        future = self.find(name)
        if future is None:
            return 'none'
        result = await self.awaited(asyncio.shield(future))
        return result

    async def await_wait_for(self, name, span):
        future = self.find(name)
        if future is None:
            return 'none'
        if span == '0':
            deliver_pending()
            return await wait_for_now(future)
        deliver_pending(future)
        return await asyncio.wait_for(future, None if span == '-' else int(span) / 1000)

    async def await_wait(self, when, span, *names):
        members = self.members(names)
        if not members:
            return 'none'
        deliver_pending()
        when = {'all': asyncio.ALL_COMPLETED, 'first': asyncio.FIRST_COMPLETED, 'error': asyncio.FIRST_EXCEPTION}[when]
        done = [member for member in OrderedSet(members) if member.done()]
        failed = [member for member in done if not member.cancelled() and member.exception()]
        if span != '0' and len(done) < len(OrderedSet(members)) and not (done and when == asyncio.FIRST_COMPLETED) \
                and not (failed and when == asyncio.FIRST_EXCEPTION):  # D5
            done, _ = await asyncio.wait(members, return_when=when, timeout=None if span == '-' else int(span) / 1000)
        return len(done)

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
        iteration = asyncio.as_completed([], timeout=None)
        iteration.line = asyncio.Lock()
        iteration._todo = OrderedSet(members)  # D3
        iteration._todo_left = len(iteration._todo)
        for member in iteration._todo:
            member.add_done_callback(iteration._handle_completion)
        if span != '-':
            iteration._timeout_handle = self.loop.call_later(int(span) / 1000, iteration._handle_timeout)
        self.slots[slot] = iteration

    async def await_next(self, slot):
        iteration = self.slots.get(slot)
        if iteration is None:
            return 'none'
        deliver_pending()
        if not iteration._todo_left:
            return 'no more'
        iteration._todo_left -= 1
        try:
            async with iteration.line:  # D8
                found = await iteration._wait_for_one()
        except asyncio.CancelledError:
            iteration._todo_left += 1  # D8
            raise
        return ' '.join(name for name, slot in self.slots.items() if slot is found)

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
        self.slots[slot] = Task(coro, loop=self.loop, eager_start=self.eager or how == 'eager')

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
        call.handle = self.loop.call_later(int(span) / 1000, call)

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
                    import traceback
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
