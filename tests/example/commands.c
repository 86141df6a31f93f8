/* commands.c - other programs, run side by side and one into the other.
 *
 * Two commands at once, each with what it said and how it ended; then a pipeline, whose programs share a pipe
 * that is none of ours: no octet of it passes here. */
#include <rill.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int run(void *arg)
{
    const char *command = arg;
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE, .err = RILL_PROCESS_PIPE };
    rill_process *child;
    rill_span out, err;
    int rc = rill_process_start_shell(command, &opts, &child);
    if (rc < 0)
        return rc;
    rc = rill_process_communicate(child, RILL_SPAN(""), &out, &err);
    if (rc == 0)
        rc = rill_return_fmt("%s: exit status %d, said \"%.*s\", complained \"%.*s\"", command,
                             child->returncode, (int)out.size, out.at, (int)err.size, err.at);
    rill_process_close(child);
    return rc;
}

/* seq 10 | wc -l */
static int count_lines(void)
{
    const char *const seq[] = { "seq", "10", NULL }, *const wc[] = { "wc", "-l", NULL };
    rill_process *first = NULL, *last = NULL;
    rill_span out;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    const rill_process_opts writes = { .out = RILL_PROCESS_FD, .out_fd = ends[1] };
    const rill_process_opts reads = { .in = RILL_PROCESS_FD,
                                      .in_fd = ends[0],
                                      .out = RILL_PROCESS_PIPE };
    int rc = rill_process_start(seq, &writes, &first);
    if (rc == 0)
        rc = rill_process_start(wc, &reads, &last);
    close(ends[0]);
    close(ends[1]); /* else `wc` would wait for us, too */
    if (rc == 0)
        rc = rill_process_communicate(last, RILL_SPAN(""), &out, NULL);
    if (rc == 0)
        printf("seq 10 | wc -l: %.*s", (int)out.size, out.at);
    rill_process_close(first);
    rill_process_close(last);
    return rc;
}

static int start(void *arg)
{
    static char yes[] = "printf yes", no[] = "printf no >&2; exit 3";
    rill_task *tasks[] = { rill_create_task(RILL_CORO(run, yes)),
                           rill_create_task(RILL_CORO(run, no)) };
    (void)arg;
    int rc = rill_join(rill_gather(2, tasks, 0));
    for (int i = 0; i < 2; i++) {
        if (rc >= 0)
            puts(rill_value(tasks[i]));
        rill_unref(tasks[i]);
    }
    return rc < 0 ? rc : count_lines();
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
