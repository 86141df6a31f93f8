/* rillctl.c - looks into running programs: the command line, and which processes it means.
 *
 * Each command takes a process; one that has no loop stands for those of its children that have, so the
 * master of a rilld stands for its workers. */
#include "server/ctl/graph.h"
#include "server/ctl/json.h"
#include "server/ctl/show.h"
#include "server/ctl/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { processes_most = 256, exit_usage = 2 };

struct command {
    const char *name, *arguments, *help;
    int (*show)(struct show *show);
    enum json_answer json;
};

static const struct command commands[] = {
    { "ps", "PID", "the tasks of a process: state, steps, what each waits for", show_tasks,
      JSON_TASKS },
    { "tree", "PID", "the same as a tree: groups, and who waits for whom", show_tree, JSON_TREE },
    { "bt", "PID [TASK]", "the calls that a task, or each one, is in", show_backtraces,
      JSON_BACKTRACES },
    { "stacks", "PID", "how deep stacks were used, by the place where tasks are made", show_uses,
      JSON_USES },
    { "top", "PID", "the busiest tasks, each second", NULL, JSON_TASKS },
};

/* What the command line says. */
struct request {
    const struct command *command;
    const char *task; /* of bt */
    pid_t pid;
    uint64_t times, delay_ms;
    bool json, help, version;
};

static void write_help(FILE *out)
{
    fputs("usage: rillctl [--json] COMMAND PID [ARGUMENT]\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-8s%-12s%s\n", commands[i].name, commands[i].arguments, commands[i].help);
    fputs("\n"
          "  --json    for programs\n"
          "  -n COUNT  top: so many times, then end\n"
          "  -d SPAN   top: seconds between two times (1)\n"
          "  --help, --version\n\n"
          "PID is any program of librill, also one that is stuck; you must be its user, or root.\n",
          out);
}

static int complain(const char *what, const char *argument)
{
    fprintf(stderr, "rillctl: %s%s%s; rillctl --help says more\n", what,
            argument != NULL ? " " : "", argument != NULL ? argument : "");
    return exit_usage;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int complain_of_command(const char *name)
{
    fprintf(stderr, "rillctl: no command %s; there are", name);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : ",", commands[i].name);
    fputc('\n', stderr);
    return exit_usage;
}

/* --- The command line. --- */

static int take_word(struct request *request, const char *word)
{
    uint64_t pid;
    if (request->command == NULL) {
        request->command = find_command(word);
        return request->command != NULL ? 0 : complain_of_command(word);
    }
    if (request->pid == 0) {
        if (rill_parse_u64(rill_span_of(word), INT32_MAX, &pid) < 0 || pid == 0)
            return complain("no process id:", word);
        request->pid = (pid_t)pid;
        return 0;
    }
    if (request->command->json != JSON_BACKTRACES || request->task != NULL)
        return complain("too much:", word);
    request->task = word;
    return 0;
}

static int take_number(const char *option, const char *value, uint64_t most, uint64_t *ret_value)
{
    if (value == NULL)
        return complain("a number is missing behind", option);
    if (rill_parse_u64(rill_span_of(value), most, ret_value) < 0 || *ret_value == 0)
        return complain("no number from 1 on:", value);
    return 0;
}

static int take_option(struct request *request, char **at, int *used)
{
    const char *option = at[0];
    uint64_t seconds = 0;
    if (strcmp(option, "--json") == 0) {
        request->json = true;
        return 0;
    }
    if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
        request->help = true;
        return 0;
    }
    if (strcmp(option, "--version") == 0 || strcmp(option, "-V") == 0) {
        request->version = true;
        return 0;
    }
    *used = 2;
    if (strcmp(option, "-n") == 0)
        return take_number(option, at[1], 1000000, &request->times);
    if (strcmp(option, "-d") != 0)
        return complain("no option", option);
    int r = take_number(option, at[1], 86400, &seconds);
    request->delay_ms = seconds * 1000;
    return r;
}

static int parse(char **argv, struct request *request)
{
    *request = (struct request){ .delay_ms = 1000 };
    for (int used; *argv != NULL; argv += used) {
        used = 1;
        int r = (*argv)[0] == '-' && (*argv)[1] != 0 ? take_option(request, argv, &used)
                                                     : take_word(request, *argv);
        if (r != 0)
            return r;
    }
    if (request->help || request->version)
        return 0;
    if (request->command == NULL)
        return complain("which command?", NULL);
    if (request->pid == 0)
        return complain("which process?", NULL);
    return 0;
}

/* --- Which processes. --- */

static bool has_loop(const struct target *target)
{
    for (size_t i = 0; i < RILL_TABLE_LOOPS; i++)
        if (target->table.loops[i] != 0)
            return true;
    return false;
}

/* `pid`, if it has a loop, or its children that have. How many; or why none, and in pids[0] of which process. */
static int find_processes(pid_t pid, pid_t pids[processes_most])
{
    pid_t children[processes_most];
    struct target target;
    int r = target_open(&target, pid);
    pids[0] = pid;
    if ((r < 0 && r != -ENOENT) || (r == 0 && has_loop(&target)))
        return r < 0 ? r : 1;
    int count = 0;
    size_t child_count = target_children(pid, children, processes_most);
    for (size_t i = 0; i < child_count; i++) {
        int of_child = target_open(&target, children[i]);
        if (of_child == 0 && has_loop(&target))
            pids[count++] = children[i];
        if (count > 0 || of_child != -EPROTO)
            continue;
        pids[0] = children
            [i]; /* it has loops, which cannot be read: that is the reason if no other has */
        r = of_child;
    }
    if (count > 0)
        return count;
    return r == 0 ? 1 : r; /* its loop has ended: that can be said, too */
}

/* --- Doing it. --- */

/* Take a snapshot of a process, and see who waits for whom.   Returns: 0; why not, which was said. */
static int look(struct snapshot *snapshot, pid_t pid)
{
    int r = snapshot_take(snapshot, pid);
    for (size_t k = 0; r == 0 && k < snapshot->loop_count; k++)
        r = graph_build(snapshot, &snapshot->loops[k]);
    if (r < 0)
        target_explain(pid, r);
    return r;
}

/* Of several processes some may end meanwhile: the others are shown nevertheless. */
static int forgive(int r, size_t count)
{
    return r == -ESRCH && count > 1 ? 0 : r;
}

static int answer_json(const struct request *request, const pid_t *pids, size_t count)
{
    struct snapshot snapshot;
    json_t *whole = json_object(), *array = json_array();
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = look(&snapshot, pids[i]);
        if (r == 0)
            json_array_append_new(array,
                                  json_process(&snapshot, request->command->json, request->task));
        r = forgive(r, count);
        snapshot_fini(&snapshot);
    }
    json_object_set_new(whole, "processes", array);
    if (r == 0) {
        json_dumpf(whole, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(whole);
    return r;
}

static int answer_text(const struct request *request, const pid_t *pids, size_t count)
{
    struct snapshot snapshot;
    struct show show = { .snapshot = &snapshot, .chosen = request->task };
    int r = 0, missing = 0;
    print_open(&show.print);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = look(&snapshot, pids[i]);
        if (r == 0) {
            r = request->command->show(&show);
            if (r < 0 && r != -ENOENT)
                target_explain(pids[i], r);
            missing += r == -ENOENT;
            r = r == -ENOENT ? 0 : r;
        }
        r = forgive(r, count);
        snapshot_fini(&snapshot);
    }
    if (r == 0 && missing == (int)count && request->task != NULL) {
        fprintf(stderr, "rillctl: process %d has no task %s\n", request->pid, request->task);
        return -ENOENT;
    }
    return r;
}

static int answer_top(const struct request *request, const pid_t *pids, size_t count)
{
    struct top top = { .json = request->json,
                       .times = request->times,
                       .delay_ms = request->delay_ms };
    print_open(&top.print);
    if (top.times == 0 && top.print.height == 0)
        top.times = 1; /* nobody looks at it for ever */
    int r = top_run(&top, pids, count);
    if (r < 0 && r != -EPIPE)
        target_explain(pids[0], r);
    return r;
}

int main(int argc, char **argv)
{
    struct request request;
    pid_t pids[processes_most];
    (void)argc;
    int r = parse(argv + 1, &request);
    if (r != 0)
        return r;
    if (request.help) {
        write_help(stdout);
        return EXIT_SUCCESS;
    }
    if (request.version) {
        puts("rillctl " RILL_VERSION_STRING);
        return EXIT_SUCCESS;
    }
    int count = find_processes(request.pid, pids);
    if (count < 0) {
        target_explain(pids[0], count);
        return EXIT_FAILURE;
    }
    if (request.command->show == NULL)
        r = answer_top(&request, pids, (size_t)count);
    else if (request.json)
        r = answer_json(&request, pids, (size_t)count);
    else
        r = answer_text(&request, pids, (size_t)count);
    return r < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
