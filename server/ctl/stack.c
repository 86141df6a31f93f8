/* stack.c - the calls that a task of another process is in, with names and lines, by elfutils.
 *
 * A parked task has left its registers on its stack; one that runs is stopped until its registers and its stack
 * are copied. The walk follows the unwind tables of program and libraries, as a debugger does, and reads the
 * copy. A task that drives a generator is on several stacks, one after the other. */
#include "server/ctl/stack.h"

#include "server/ctl/regs.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { copy_most = 256 << 10, page = 4096, gens_most = 1 << 16, nested_most = 64, places = 512 };

/* Code that was looked up before. */
struct place {
    Dwarf_Addr inside, bias;
    Dwarf_Die *unit; /* NULL: it has none that is known */
};

struct stacks {
    struct snapshot *snapshot;
    Dwfl *dwfl;
    bool attached;
    struct regs regs; /* where the walk under way begins */
    uint64_t from;    /* address of `copy` */
    size_t copied;
    struct stack *into;
    struct place places[places];
    char copy[copy_most];
};

/* --- What elfutils asks. --- */

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
    struct stacks *stacks = arg;
    (void)dwfl;
    if (*thread_arg != NULL)
        return 0;
    *thread_arg = stacks;
    return stacks->snapshot->target.pid;
}

static bool get_thread(Dwfl *dwfl, pid_t thread, void *arg, void **thread_arg)
{
    (void)dwfl;
    (void)thread;
    *thread_arg = arg;
    return true;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr at, Dwarf_Word *result, void *arg)
{
    const struct stacks *stacks = arg;
    uint64_t word;
    (void)dwfl;
    if (at >= stacks->from && at - stacks->from + sizeof word <= stacks->copied)
        memcpy(&word, stacks->copy + (at - stacks->from), sizeof word);
    else if (!target_read(&stacks->snapshot->target, at, &word, sizeof word))
        return false;
    *result = word;
    return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    const struct stacks *stacks = arg;
    dwfl_thread_state_register_pc(thread, stacks->regs.pc);
    return dwfl_thread_state_registers(thread, 0, REGS_NUMBERED, stacks->regs.numbered);
}

/* The place from where the inlined function `scope` was called, told by its compilation unit. */
static void set_call_site(Dwarf_Die *unit, Dwarf_Die *scope, struct stack_frame *frame)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file, line;
    Dwarf_Files *files;
    size_t count;
    if (dwarf_formudata(dwarf_attr(scope, DW_AT_call_file, &attribute), &file) != 0 ||
        dwarf_formudata(dwarf_attr(scope, DW_AT_call_line, &attribute), &line) != 0 ||
        dwarf_getsrcfiles(unit, &files, &count) != 0 || file >= count)
        return;
    frame->file = dwarf_filesrc(files, file, NULL, NULL);
    frame->line = (int)line;
}

static struct stack_frame *new_frame(struct stack *stack, uint64_t pc)
{
    if (stack->count == STACK_FRAMES)
        return NULL;
    struct stack_frame *frame = &stack->frames[stack->count++];
    *frame = (struct stack_frame){ .pc = pc };
    return frame;
}

/* The child of `parent` that has code at `pc`.   Returns: false: none has. */
static bool child_at(Dwarf_Die *parent, Dwarf_Addr pc, Dwarf_Die *ret_child)
{
    Dwarf_Die child;
    if (dwarf_child(parent, &child) != 0)
        return false;
    do {
        if (dwarf_haspc(&child, pc) != 1)
            continue;
        *ret_child = child;
        return true;
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* The functions that were inlined into each other at `pc` of `unit`, the outermost first. How many. */
static size_t find_inlined(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die inlined[nested_most])
{
    size_t count = 0;
    Dwarf_Die at = *unit, child;
    while (child_at(&at, pc, &child)) {
        at = child;
        if (dwarf_tag(&at) == DW_TAG_inlined_subroutine && count < nested_most)
            inlined[count++] = at;
    }
    return count;
}

static bool has_code(Dwarf_Die *unit, Dwarf_Addr pc)
{
    return unit != NULL && dwarf_haspc(unit, pc) == 1;
}

/* The compilation unit of the code at `inside`; NULL: nobody knows. Where a compiler has left out its part of the
 * index of addresses, as clang does, that finds none or a neighbour, and all units are asked. Tasks are mostly
 * at the same few places. */
static Dwarf_Die *find_unit(struct stacks *stacks, Dwfl_Module *module, Dwarf_Addr inside,
                            Dwarf_Addr *ret_bias)
{
    struct place *place = &stacks->places[inside / 4 % places];
    if (place->inside != inside) {
        *place = (struct place){ .inside = inside };
        place->unit = dwfl_module_addrdie(module, inside, &place->bias);
        if (!has_code(place->unit, inside - place->bias))
            place->unit = NULL;
        if (place->unit == NULL)
            do
                place->unit = dwfl_module_nextcu(module, place->unit, &place->bias);
            while (place->unit != NULL && !has_code(place->unit, inside - place->bias));
    }
    *ret_bias = place->bias;
    return place->unit;
}

static void set_source(Dwarf_Die *unit, Dwarf_Addr inside, struct stack_frame *frame)
{
    Dwarf_Line *source = dwarf_getsrc_die(unit, inside);
    if (source == NULL)
        return;
    frame->file = dwarf_linesrc(source, NULL, NULL);
    if (frame->file != NULL)
        (void)dwarf_lineno(source, &frame->line);
}

/* Give each function that was inlined at `inside` a frame of its own, the innermost first. The frame of the
 * function that they were inlined into; NULL: there is no more room. */
static struct stack_frame *add_inlined(struct stack *stack, Dwarf_Die *unit, Dwarf_Addr inside,
                                       struct stack_frame *frame)
{
    Dwarf_Die inlined[nested_most];
    size_t count = find_inlined(unit, inside, inlined);
    while (count-- > 0 && frame != NULL) {
        frame->function = dwarf_diename(&inlined[count]);
        frame = new_frame(stack, frame->pc);
        if (frame != NULL)
            set_call_site(unit, &inlined[count], frame);
    }
    return frame;
}

static int add_frame(Dwfl_Frame *state, void *arg)
{
    struct stacks *stacks = arg;
    struct stack *stack = stacks->into;
    Dwarf_Addr pc;
    Dwarf_Addr bias;
    bool exact;
    struct stack_frame *frame = NULL;
    if (dwfl_frame_pc(state, &pc, &exact) && pc != 0)
        frame = new_frame(stack, pc);
    if (frame == NULL)
        return DWARF_CB_ABORT;
    Dwarf_Addr inside = exact && stack->count > 1 ? pc : pc - 1; /* of the call, not behind it */
    Dwfl_Module *module = dwfl_addrmodule(stacks->dwfl, inside);
    if (module == NULL)
        return DWARF_CB_OK;
    Dwarf_Die *unit = find_unit(stacks, module, inside, &bias);
    if (unit != NULL) {
        set_source(unit, inside - bias, frame);
        frame = add_inlined(stack, unit, inside - bias, frame);
    }
    if (frame != NULL)
        frame->function = dwfl_module_addrname(module, inside);
    return DWARF_CB_OK;
}

/* --- Begin and end. --- */

static const Dwfl_Thread_Callbacks thread_calls = {
    .next_thread = next_thread,
    .get_thread = get_thread,
    .memory_read = read_word,
    .set_initial_registers = set_registers,
};

/* A program or library, as the process sees it: it may have a root of its own. */
static int find_elf(Dwfl_Module *module, void **of_module, const char *name, Dwarf_Addr base,
                    char **ret_name, Elf **ret_elf)
{
    const struct stacks *stacks = *of_module;
    char path[PATH_MAX];
    int fd = -1;
    if (stacks != NULL && name[0] == '/') {
        snprintf(path, sizeof path, "/proc/%d/root%s", stacks->snapshot->target.pid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd >= 0 && asprintf(ret_name, "%s", path) > 0) /* elfutils frees the name */
        return fd;
    if (fd >= 0)
        close(fd);
    return dwfl_linux_proc_find_elf(module, of_module, name, base, ret_name, ret_elf);
}

static int set_stacks(Dwfl_Module *module, void **of_module, const char *name, Dwarf_Addr start,
                      void *arg)
{
    (void)module;
    (void)name;
    (void)start;
    *of_module = arg;
    return DWARF_CB_OK;
}

static int open_dwfl(struct stacks *stacks)
{
    static const Dwfl_Callbacks calls = {
        .find_elf = find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
    };
    pid_t pid = stacks->snapshot->target.pid;
    stacks->dwfl = dwfl_begin(&calls);
    if (stacks->dwfl == NULL)
        return -ENOMEM;
    if (dwfl_linux_proc_report(stacks->dwfl, pid) != 0 ||
        dwfl_report_end(stacks->dwfl, NULL, NULL) != 0 ||
        dwfl_getmodules(stacks->dwfl, set_stacks, stacks, 0) != 0)
        return -EIO;
    return dwfl_attach_state(stacks->dwfl, NULL, pid, &thread_calls, stacks) ? 0 : -EIO;
}

int stacks_open(struct snapshot *snapshot, struct stacks **ret_stacks)
{
    struct stacks *stacks = rill_alloc_zero(1, sizeof *stacks);
    if (stacks == NULL)
        return -ENOMEM;
    stacks->snapshot = snapshot;
    int r = open_dwfl(stacks);
    if (r < 0) {
        stacks_close(stacks);
        return r;
    }
    *ret_stacks = stacks;
    return 0;
}

void stacks_close(struct stacks *stacks)
{
    if (stacks == NULL)
        return;
    if (stacks->dwfl != NULL)
        dwfl_end(stacks->dwfl);
    rill_free(stacks);
}

/* --- One walk. --- */

/* Copy the stack from `sp` up, as far as it goes. */
static void copy_stack(struct stacks *stacks, uint64_t sp)
{
    stacks->from = sp;
    stacks->copied = 0;
    while (stacks->copied < copy_most) {
        uint64_t at = sp + stacks->copied;
        size_t part = page - at % page;
        if (part > copy_most - stacks->copied)
            part = copy_most - stacks->copied;
        if (!target_read(&stacks->snapshot->target, at, stacks->copy + stacks->copied, part))
            return;
        stacks->copied += part;
    }
}

static void walk(struct stacks *stacks, struct stack *stack)
{
    stacks->into = stack;
    /* The end of a stack is told as an error, too, so what it says is of no use. */
    (void)dwfl_getthread_frames(stacks->dwfl, stacks->snapshot->target.pid, add_frame, stacks);
}

static void walk_parked(struct stacks *stacks, uint64_t sp, struct stack *stack)
{
    uint64_t words[REGS_SAVED];
    if (sp == 0 || !target_read(&stacks->snapshot->target, sp, words, sizeof words)) {
        stack->problem = "its stack cannot be read";
        return;
    }
    regs_of_parked(words, sp, &stacks->regs);
    copy_stack(stacks, stacks->regs.sp);
    walk(stacks, stack);
}

static void walk_thread(struct stacks *stacks, pid_t thread, struct stack *stack)
{
    int r = regs_of_thread(thread, &stacks->regs);
    if (r < 0) {
        stack->problem = r == -ETIME ? "its thread does not stop: it is in the kernel"
                                     : "its thread may not be stopped";
        return;
    }
    copy_stack(stacks, stacks->regs.sp);
    regs_release(thread);
    walk(stacks, stack);
}

/* --- Generators. --- */

static uint64_t coro_field(const struct stacks *stacks, uint64_t coro, uint16_t at)
{
    return target_number(&stacks->snapshot->target, coro + at, 8, 0);
}

/* The coroutine of the generator that `coro` drives, or 0. */
static uint64_t driven_by(const struct stacks *stacks, const struct snapshot_loop *loop,
                          uint64_t coro)
{
    const struct target *target = &stacks->snapshot->target;
    const rill_table *table = &target->table;
    uint64_t head = loop->at + table->loop.gens, link = target_number(target, head + 8, 8, 0);
    for (int i = 0; i < gens_most && link != 0 && link != head; i++) {
        uint64_t gen = link - table->gen.link, body = gen + table->gen.coro;
        if (target_number(target, gen + table->gen.state, 4, 0) == table->gen.is_running &&
            coro_field(stacks, body, table->coro.caller) == coro)
            return body;
        link = target_number(target, link + 8, 8, 0);
    }
    return 0;
}

void stacks_walk(struct stacks *stacks, const struct snapshot_loop *loop,
                 const struct snapshot_task *task, struct stack *stack)
{
    const rill_table *table = &stacks->snapshot->target.table;
    uint64_t chain[nested_most], next;
    size_t count = 1;
    *stack = (struct stack){ 0 };
    chain[0] = task->at + table->task.coro;
    while (count < nested_most && (next = driven_by(stacks, loop, chain[count - 1])) != 0)
        chain[count++] = next;
    if (task->state == TASK_NEW) {
        stack->problem = "it has not begun";
        return;
    }
    /* Who drives a generator that waits has given way, too; if the generator runs, its driver's context lies
     * with it. */
    bool runs = task->state == TASK_RUNS;
    if (runs)
        walk_thread(stacks, loop->thread, stack);
    for (size_t i = count - (runs ? 1 : 0); i-- > 0;)
        walk_parked(stacks,
                    runs ? coro_field(stacks, chain[i + 1], table->coro.caller_sp)
                         : coro_field(stacks, chain[i], table->coro.sp),
                    stack);
}
