"""contract.py - CPython's asyncio, but for the differences that the contract of the runtime makes on purpose.

They are the table DIFFERENCES; each has its rule, and the code that follows it is marked with the same name. All
else is asyncio as it is, in its version in Python, which can be looked into, and on virtual time.

Some differences cannot be seen in a trace, and are not here: errors that nobody took are told at other times (9/35: by
the last reference, not by looks of wait), and a token of a task-local value is spent with the one before it.
"""
import asyncio
import sys
from asyncio import futures, taskgroups, tasks

DIFFERENCES = {
    'D1': ('4.2', 'a pending cancel is delivered by the next await, also by one that need not wait; an await of '
                  'a future or task hands it on instead'),
    'D2': ('3.1', 'a timer makes those that wait for it ready: asyncio needs one more turn'),
    'D3': ('1.1, 3.1', 'sets, and timers that are due at once, are in order of creation: asyncio has no order'),
    'D4': ('4', 'the message of a cancel reaches all who ask: asyncio tells it to the first one, loses it when a '
                'group takes a request back and makes it again, and that of a gather is of its last member'),
    'D5': ('3.4', 'wait and wait_for that need not wait return at once: asyncio lets turns pass'),
    'D6': ('9/37, 9/45', 'wait_for with no time cancels and awaits: asyncio wakes a turn later, and leaves when it is '
                         'cancelled meanwhile'),
    'D7': ('9/101', 'a barrier counts those that wait and are not cancelled, and numbers them when it is full; '
                    'who comes too early is woken when it can be used again: asyncio counts a cancelled one until it '
                    'has run, may give a number twice, and wakes tasks by chance'),
    'D8': ('6, 9/71', 'who waits for the next completion gets it in order of arrival, and takes none when cancelled: '
                      'in asyncio a later one may come first, and a cancelled one counts'),
    'D9': ('9/89', 'a group hears of a child that ended inside the create call in the next turn, as in Python 3.13.2'),
    'D10': ('6', 'a cancelled waiter of a condition passes on the notification that it had: asyncio wakes another one '
                 'also if it had none'),
}

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


def error_of_gather(member, callback):
    """D4: of the member that ended last, else of the request; asyncio takes the last one in the arguments."""
    ended = callback.f_back.f_locals['self']._args[0]
    if not ended.cancelled():
        return asyncio.CancelledError(callback.f_locals['outer'].asked)
    return super(Awaited, ended)._make_cancelled_error()


def cancel_gather(gather, msg=None, cancel=tasks._GatheringFuture.cancel):
    taken = cancel(gather, msg)
    if taken and gather.asked is None:
        gather.asked = msg
    return taken


tasks._GatheringFuture.asked, tasks._GatheringFuture.cancel = None, cancel_gather


class Awaited:
    def __await__(self):
        deliver_pending(self)
        return (yield from super().__await__())

    def _make_cancelled_error(self):
        caller = sys._getframe(1)
        if caller.f_code.co_name == '_done_callback' and caller.f_locals['outer']._cancel_requested:
            return error_of_gather(self, caller)
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


class Condition(asyncio.Condition):
    def _notify(self, n):
        caller = sys._getframe(1)
        future = caller.f_locals.get('fut') if caller.f_code.co_name == 'wait' else None
        if future is None or future.done() and not future.cancelled():  # D10
            super()._notify(n)


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
        try:
            index = await super().wait()
        finally:
            mine = self.indexes.pop(asyncio.current_task(), None)
        return index if mine is None else mine

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


async def wait(members, when, span):
    """How many are done."""
    members = OrderedSet(members)
    done = [member for member in members if member.done()]
    failed = [member for member in done if not member.cancelled() and member.exception()]
    enough = {asyncio.ALL_COMPLETED: len(done) == len(members), asyncio.FIRST_COMPLETED: done,
              asyncio.FIRST_EXCEPTION: failed or len(done) == len(members)}
    if span != 0 and not enough[when]:  # D5
        done, _ = await asyncio.wait(members, return_when=when, timeout=span)
    return len(done)


class Completed:
    """asyncio.as_completed, with an order of the members (D3) and of the waits (D8)."""

    def __init__(self, members, span):
        self.line = asyncio.Lock()
        self.iteration = asyncio.as_completed([])
        self.iteration._todo = OrderedSet(members)
        self.iteration._todo_left = len(self.iteration._todo)
        for member in self.iteration._todo:
            member.add_done_callback(self.iteration._handle_completion)
        if span is not None:
            loop = asyncio.get_running_loop()
            self.iteration._timeout_handle = loop.call_later(span, self.iteration._handle_timeout)

    async def next(self):
        """The next member, or None when each is somebody's."""
        if not self.iteration._todo_left:
            return None
        self.iteration._todo_left -= 1
        try:
            async with self.line:
                return await self.iteration._wait_for_one()
        except asyncio.CancelledError:
            self.iteration._todo_left += 1
            raise
