"""rill.py - the tasks of a rill program for gdb: in a core file, and in a process.

    gdb -x deploy/gdb/rill.py PROGRAM CORE
    (gdb) rill-tasks          all tasks: number, name, state, what each waits for, where it was made
    (gdb) rill-bt NUMBER      the calls that a task is in; rill-bt NAME; rill-bt alone: of all tasks

It needs the debug information of librill and no help of the program. Let the kernel write the core, as
`kill -ABRT` does with `ulimit -c unlimited`: gcore leaves stacks out, as it stops at the guards between them. What a wait waits for is described by
its rill_table_wait, as for rillctl: see rill/table.h. Stacks are followed by their frame pointers, so nothing
in the program is changed. Lists have an end here, whatever the memory says.
"""

import struct

import gdb

LIST_MOST = 10_000_000
FRAMES_MOST = 128
FOREVER = 2**63 - 1


def struct_pointer(name):
    return gdb.lookup_type("struct " + name).pointer()


def offset_of(kind, *path):
    """The octets between the begin of a struct and a member of a member."""
    total = 0
    for name in path:
        field = next(f for f in kind.fields() if f.name == name)
        total += field.bitpos // 8
        kind = field.type.strip_typedefs()
    return total


def in_list(head, kind, *member):
    """The structs whose link of that name is in the list at `head`."""
    kind = gdb.lookup_type("struct " + kind)
    offset = offset_of(kind, *member)
    start = int(head.address)
    node = head["next"]
    for _ in range(LIST_MOST):
        if int(node) in (0, start):
            return
        yield gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()
        node = node.dereference()["next"]


def number_at(address, size):
    octets = bytes(gdb.selected_inferior().read_memory(address, size))
    return int.from_bytes(octets, "little")


def text_at(pointer):
    return pointer.string(errors="backslashreplace", length=-1)


def shown(text):
    """What a terminal may be told."""
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)


def loops():
    head = gdb.parse_and_eval("rill__loops_live")
    yield from in_list(head, "rill_loop", "live")


def tasks(loop):
    yield from in_list(loop["tasks"], "rill__task", "link")


def name_of(task):
    title = task["coro"]["title"]
    return shown(text_at(title)) if int(title) else "Task-%d" % int(task["coro"]["number"])


def site_of(task):
    site = task["coro"]["site"]
    if not int(site):
        return "somewhere"
    return "%s() at %s:%d" % (shown(text_at(site["function"])), shown(text_at(site["file"])),
                              int(site["line"]))


# --- What a task waits for. ---

def follow(record, path):
    """Where a rill_table_path leads to; None: nowhere."""
    if int(path["size"]) == 0:
        return None
    at = record + int(path["at"][0])
    for hop in range(1, int(path["hops"]) + 1):
        following = number_at(at, 8)
        if following == 0:
            return None
        at = following + int(path["at"][hop])
    return at


def load(record, path):
    at = follow(record, path)
    return None if at is None else number_at(at, int(path["size"]))


def task_at(loop, address):
    return next((t for t in tasks(loop) if int(t.address) == address), None)


def word_of(record, tells):
    which = load(record, tells["which"])
    if which is not None and int(tells["words"]) and which < int(tells["words_count"]):
        word = tells["words"][which]
        if int(word):
            return text_at(word)
    return text_at(tells["what"])


def text_of(record, path):
    address = load(record, path)
    if not address:
        return None
    return shown(text_at(gdb.Value(address).cast(gdb.lookup_type("char").pointer())))


def deed_of(task):
    """What the innermost block that says so is for: ", for GET example.org (total)"."""
    block = task["block"]
    for _ in range(FRAMES_MOST):
        if int(block) == 0:
            return ""
        if int(block["deed"]):
            break
        block = block["outer"]
    else:
        return ""
    texts = [text_of(int(block), block["deed"][field]) for field in ("what", "of", "bound")]
    if texts[0] is None or texts[1] is None:
        return ""
    return ", for %s %s%s" % (texts[0], texts[1], " (%s)" % texts[2] if texts[2] else "")


def told(loop, task):
    record = int(task["wait"])
    tells = task["wait"]["tells"]
    if not int(tells):
        return "something"
    future = load(record, tells["future"])
    if future is not None:
        awaited = task_at(loop, future)
        return "task '%s'" % name_of(awaited) if awaited is not None else "future 0x%x" % future
    text = word_of(record, tells)
    name = text_of(record, tells["name"])
    if name is not None:
        text += " of '%s'" % name
    value = load(record, tells["object"])
    if value:
        text += " 0x%x" % value
    value = load(record, tells["fd"])
    if value is not None:
        text += " on fd %d" % value
    holder = load(record, tells["holder"])
    if holder:
        held_by = task_at(loop, holder)
        if held_by is not None:
            text += ", held by '%s'" % name_of(held_by)
    text += deed_of(task)
    deadline = load(record, tells["deadline"])
    if deadline is not None and deadline != FOREVER:
        text += ", due at %.3f s of the loop's clock" % (deadline / 1e9)
    return text


def is_linked(node):
    return int(node["next"]) not in (0, int(node.address))


def state_of(loop, task):
    if int(loop["current"]) == int(task["future"].address):
        return "runs"
    if not int(task["coro"]["stack"]["base"]):
        return "new"
    if not int(task["wait"]) or is_linked(task["ready"]["link"]):
        return "ready"
    return "waits"


def line_of(loop, task):
    state = state_of(loop, task)
    text = "%6d %-20s %s" % (int(task["coro"]["number"]), name_of(task), state)
    if state == "waits":
        text += " for " + told(loop, task)
    return text + "; " + site_of(task)


# --- Stacks. ---

def words_at(address, count):
    octets = bytes(gdb.selected_inferior().read_memory(address, 8 * count))
    return struct.unpack("<%dQ" % count, octets)


def saved_context(sp):
    """Program counter and frame pointer, as the switch in core/coro leaves them."""
    if "aarch64" in gdb.selected_inferior().architecture().name():
        words = words_at(sp, 12)
        return words[11], words[10]
    words = words_at(sp, 7)
    return words[6], words[5]


def frames(pc, frame):
    for _ in range(FRAMES_MOST):
        if pc == 0:
            return
        yield pc
        if frame == 0 or frame % 8 != 0:
            return
        up, pc = words_at(frame, 2)
        if up != 0 and up <= frame:
            yield pc
            return
        frame = up


def driven(loop, coro):
    """The generator that `coro` drives, or None."""
    for gen in in_list(loop["gens"], "rill_gen", "link"):
        if str(gen["state"]) == "RUNNING" and int(gen["coro"]["caller"]) == coro:
            return gen
    return None


def contexts(loop, task):
    """The stack pointers to begin at, the innermost first."""
    chain = [task["coro"]]
    while len(chain) < 64:
        gen = driven(loop, int(chain[-1].address))
        if gen is None:
            break
        chain.append(gen["coro"])
    for coro in reversed(chain):  # who drives a generator that waits has given way, too
        yield int(coro["sp"])


def frame_texts(pc):
    """The functions at a return address: those that were inlined first."""
    inside = pc - 1  # of the call, not behind it
    place = gdb.find_pc_line(inside)
    where = " at %s:%d" % (place.symtab.filename, place.line) if place.symtab is not None else ""
    block = gdb.current_progspace().block_for_pc(inside)
    names = []
    while block is not None:
        if block.function is not None:
            names.append(block.function.print_name)
        block = block.superblock
    if not names:
        names = [gdb.execute("info symbol 0x%x" % pc, to_string=True).split(" in section")[0].strip()]
    return [names[0] + where] + names[1:]


def write_stack(loop, task):
    state = state_of(loop, task)
    if state == "new":
        print("  no stack: it has not begun")
        return
    if state == "runs":
        print("  it runs: the stack is that of thread LWP %d" % int(loop["thread"]))
        return
    count = 0
    for sp in contexts(loop, task):
        for pc in frames(*saved_context(sp)):
            for text in frame_texts(pc):
                print("  #%-2d %s" % (count, text))
                count += 1


# --- The commands. ---

class Tasks(gdb.Command):
    """All tasks of all loops of this program, and what each waits for."""

    def __init__(self):
        super().__init__("rill-tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for loop in loops():
            print("loop 0x%x of thread %d: %d steps, %d tasks made" %
                  (int(loop.address), int(loop["thread"]), int(loop["steps"]),
                   int(loop["tasks_made"])))
            for task in tasks(loop):
                print(line_of(loop, task))


class Backtrace(gdb.Command):
    """rill-bt [NUMBER | NAME]: the calls that a task, or each one, is in."""

    def __init__(self):
        super().__init__("rill-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        found = False
        for loop in loops():
            for task in tasks(loop):
                if argument not in ("", name_of(task), str(int(task["coro"]["number"]))):
                    continue
                found = True
                print(line_of(loop, task))
                write_stack(loop, task)
        if not found:
            raise gdb.GdbError("no task %s" % argument)


Tasks()
Backtrace()
