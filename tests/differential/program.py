"""program.py - random programs on tasks: their text, and one for each seed.

A program begins with what there is, and then has procedures, each a list of statements. The first `tops`
procedures are tasks from the beginning, t0, t1, ...; the others are started by statements.

    tops 2              tasks
    futures 1           f0
    permits 1 bounded   of the semaphore (or `free`)
    parties 2           of the barrier
    queue 1 fifo        q0: at most so many items (0: any number), and their order
    queue 0 lifo        q1
    eager 0             1: tasks run at once, where they are made, until they wait
    proc
      try await f0      `try`: an error of this statement does not end the procedure
      scope 0 500       a block, here with a deadline in ms; `limit 500` is one inside wait_for
        get q0
      end
    proc
      set f0 7

There are one lock, event, semaphore and barrier, one condition on the lock, one task-local value; and slots that
statements fill: k0 k1 for tasks (start), g0 g1 for gathers and shields (gather, cover), a0 for an iteration
(completed), h0 h1 for calls (soon, later), scopes and groups 0 and 1. A statement about an empty slot does nothing and
says `none`.

Who awaits whom has no circles: a task of the beginning awaits later ones, k0, k1, gathers and futures;
gathers have no tasks of the beginning; what is started awaits futures alone. Times are random
milliseconds, so that no two deadlines are the same by chance of the arithmetic.
"""
import random
from dataclasses import dataclass, field

BLOCKS = ('scope', 'limit', 'group')
HEAD = ('tops', 'futures', 'permits', 'parties', 'queue', 'eager')


@dataclass
class Statement:
    words: list
    attempt: bool = False  # `try`
    body: list = field(default_factory=list)

    @property
    def verb(self):
        return self.words[0]

    def lines(self, indent='  '):
        yield indent + ('try ' if self.attempt else '') + ' '.join(self.words)
        if self.verb in BLOCKS:
            for statement in self.body:
                yield from statement.lines(indent + '  ')
            yield indent + 'end'


@dataclass
class Program:
    head: list  # of lines of words
    procs: list  # of lists of statements

    def __str__(self):
        lines = [' '.join(words) for words in self.head]
        for proc in self.procs:
            lines.append('proc')
            for statement in proc:
                lines.extend(statement.lines())
        return '\n'.join(lines) + '\n'


def parse(text):
    program, open_lists = Program([], []), []
    for line in text.splitlines():
        words = line.split('#')[0].split()
        if not words:
            continue
        if words[0] in HEAD:
            program.head.append(words)
        elif words[0] == 'proc':
            program.procs.append([])
            open_lists = [program.procs[-1]]
        elif words[0] == 'end':
            open_lists.pop()
        else:
            statement = Statement(words[words[0] == 'try':], words[0] == 'try')
            open_lists[-1].append(statement)
            if statement.verb in BLOCKS:
                open_lists.append(statement.body)
    return program


# What a program is about: each has statements of one to three of these, and of BASE.
BASE = ['turn', 'turn', 'turn', 'cancel', 'cancel', 'await', 'set', 'return']
THEMES = {
    'cancel': ['await', 'await', 'cancel', 'uncancel', 'cancelling', 'scope', 'fire', 'error', 'fail', 'result'],
    'gather': ['gather', 'gather', 'await_slot', 'await_slot', 'cancel', 'set', 'error', 'result', 'start'],
    'wait': ['wait', 'wait', 'completed', 'next', 'next', 'set', 'error', 'cancel', 'start'],
    'limits': ['wait_for', 'wait_for', 'shield', 'shield', 'scope', 'fire', 'sleep', 'sleep', 'start', 'uncancel',
               'reschedule', 'limit', 'limit', 'cover'],
    'groups': ['group', 'group', 'spawn', 'spawn', 'spawn', 'spawn', 'fail', 'uncancel', 'scope', 'fire'],
    'locks': ['lock', 'lock', 'unlock', 'unlock', 'locked', 'cond_wait', 'cond_wait', 'cond_until', 'event_set',
              'event_clear', 'notify', 'notify', 'scope', 'fire', 'uncancel'],
    'events': ['event_wait', 'event_wait', 'event_set', 'event_clear', 'acquire', 'acquire', 'release', 'sem_locked',
               'scope', 'fire'],
    'barrier': ['barrier', 'barrier', 'barrier', 'barrier_reset', 'barrier_abort', 'barrier_state', 'scope', 'fire'],
    'queues': ['put', 'put', 'get', 'get', 'get', 'put_nowait', 'get_nowait', 'task_done', 'task_done', 'join', 'size',
               'scope', 'fire'],
    'shutdown': ['put', 'put', 'get', 'get', 'task_done', 'join', 'shutdown', 'size'],
    'calls': ['soon', 'soon', 'later', 'drop', 'watch', 'watch', 'unwatch', 'sleep', 'start', 'var_set', 'var_get',
              'var_get'],
    'eager': ['start', 'start', 'await_slot', 'set', 'shield', 'uncancel', 'cancelling', 'var_set', 'var_get'],
}
# What a call may do: nothing that waits, nothing about the running task.
IN_CALLS = ['set', 'error', 'cancel', 'cancel', 'unlock', 'event_set', 'event_clear', 'release', 'notify', 'put_nowait',
            'get_nowait', 'task_done', 'fire', 'result', 'var_set', 'var_get']


class Maker:
    """Makes one program; `seed` decides everything."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tops, self.futures = self.random.randint(2, 4), self.random.randint(1, 3)
        self.total = self.tops + 3
        themes = self.random.sample(sorted(THEMES), self.random.randint(1, 3))
        self.verbs = BASE + [verb for theme in themes for verb in THEMES[theme]]
        self.owner = 0  # the procedure that is being made
        self.times = list(range(1, 4000))
        self.random.shuffle(self.times)

    def program(self):
        def queue():
            order = self.random.choice(['fifo', 'fifo', 'lifo', 'priority'])
            return ['queue', str(self.random.choice([0, 1, 2])), order]
        permits = [str(self.random.randint(0, 2)), self.random.choice(['free', 'free', 'bounded'])]
        head = [['tops', str(self.tops)], ['futures', str(self.futures)], ['permits', *permits],
                ['parties', str(self.random.choice([1, 2, 2, 3]))], queue(), queue(),
                ['eager', str(int(self.random.random() < .15))]]
        procs = []
        for self.owner in range(self.total):
            procs.append(self.block(0, self.random.choice([5, 9, 14]) if self.owner < self.tops else 5))
        return Program(head, procs)

    def block(self, depth, most):
        return [self.statement(depth) for _ in range(self.random.randint(1, most))]

    def statement(self, depth):
        verb = self.random.choice(self.verbs)
        if verb in BLOCKS and (depth >= 3 or (verb == 'group' and self.owner >= self.tops)):
            verb = 'turn'
        if verb in ('return', 'fail') and self.random.random() < .6:
            verb = 'turn'
        words = getattr(self, verb, self.plain)(verb)
        statement = Statement(words, verb != 'fail' and self.random.random() < .7)
        if verb in BLOCKS:
            statement.body = self.block(depth + 1, 5)
        return statement

    # Operands.

    def future(self):
        return f'f{self.random.randrange(self.futures)}'

    def slot(self, letter, count=2):
        return f'{letter}{self.random.randrange(count)}'

    def awaitable(self):
        """What the owner may await without a circle."""
        choice = self.random.random()
        if self.owner < self.tops:
            if choice < .3 and self.owner + 1 < self.tops:
                return f't{self.random.randrange(self.owner + 1, self.tops)}'
            if choice < .5:
                return self.slot('k')
            if choice < .6:
                return self.slot('g')
        return self.future()

    def anything(self):
        choice = self.random.random()
        if choice < .55:
            return f't{self.random.randrange(self.tops)}'
        return self.slot('k') if choice < .7 else self.slot('g') if choice < .8 else self.future()

    def members(self, tasks):
        some = [self.future() for _ in range(self.random.randint(0, 2))]
        if self.owner < self.tops:
            some += [self.slot('k') for _ in range(self.random.randint(0, 1))]
        if tasks:
            some += [f't{self.random.randrange(self.tops)}' for _ in range(self.random.randint(0, 2))]
        return some or [self.future()]

    def span(self, zero=.3):
        return '0' if self.random.random() < zero else str(self.times.pop())

    def span_or_none(self):
        return '-' if self.random.random() < .4 else self.span()

    # Statements; those without operands are `plain`.

    def plain(self, verb):
        return [verb]

    def sleep(self, verb):
        return [verb, self.span(.2)]

    def _return(self, verb):
        return [verb, str(self.random.choice([0, 3]))]

    def fail(self, verb):
        return [verb, str(self.random.choice([-5, -9]))]

    def _await(self, verb):
        return [verb, self.awaitable()]

    def await_slot(self, verb):
        slots = self.owner < self.tops
        return ['await', self.slot(self.random.choice('gk')) if slots else self.future()]

    def shield(self, verb):
        return [verb, self.awaitable()]

    def wait_for(self, verb):
        return [verb, self.awaitable(), self.span_or_none()]

    def wait(self, verb):
        return [verb, self.random.choice(['all', 'first', 'error']), self.span_or_none()] + self.members(True)

    def gather(self, verb):
        return [verb, self.slot('g'), self.random.choice(['errors', 'first'])] + self.members(False)

    def cover(self, verb):
        slots = self.owner < self.tops and self.random.random() < .5
        return [verb, self.slot('g'), self.slot('k') if slots else self.future()]

    def completed(self, verb):
        return [verb, 'a0', self.span_or_none()] + self.members(True)

    def next(self, verb):
        return [verb, 'a0']

    def set(self, verb):
        return [verb, self.future(), str(self.random.choice([0, 1, 7]))]

    def error(self, verb):
        return [verb, self.future(), str(self.random.choice([-5, -7]))]

    def cancel(self, verb):
        return [verb, self.anything()]

    result = cancel

    def start(self, verb):
        return [verb, self.slot('k'), str(self.random.randrange(self.tops, self.total)),
                self.random.choice(['eager', 'later'])]

    def watch(self, verb):
        return [verb, self.anything(), str(self.random.randrange(2))]

    unwatch = watch

    def call(self):
        verb = self.random.choice([verb for verb in self.verbs if verb in IN_CALLS])
        return getattr(self, verb, self.plain)(verb)

    def soon(self, verb):
        return [verb, self.slot('h')] + self.call()

    def later(self, verb):
        return [verb, self.slot('h'), self.span()] + self.call()

    def drop(self, verb):
        return [verb, self.slot('h')]

    def notify(self, verb):
        return [verb, str(self.random.randint(1, 2))]

    def put(self, verb):
        return [verb, self.slot('q'), str(self.random.randrange(100))]

    put_nowait = put

    def get(self, verb):
        return [verb, self.slot('q')]

    get_nowait = task_done = join = size = get

    def shutdown(self, verb):
        return [verb, self.slot('q'), self.random.choice(['now', 'drained'])]

    def scope(self, verb):
        return [verb, str(self.random.randrange(2)), '-' if self.random.random() < .6 else self.span()]

    def limit(self, verb):
        return [verb, self.span_or_none()]

    def var_set(self, verb):
        return [verb, str(self.random.randrange(100))]

    def fire(self, verb):
        return [verb, str(self.random.randrange(2))]

    def reschedule(self, verb):
        return [verb, str(self.random.randrange(2)), self.span_or_none()]

    group = fire

    def spawn(self, verb):
        return [verb, self.random.choice(['here', 'here', '0', '1']), str(self.random.randrange(self.tops, self.total))]


setattr(Maker, 'return', Maker._return)
setattr(Maker, 'await', Maker._await)


def make(seed):
    return Maker(seed).program()
