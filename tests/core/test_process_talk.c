/* test_process_talk.c - the pipes of a child as streams, and communicating with it. */
#include "tests/support/expect.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define OWNED_PROCESS __attribute__((cleanup(drop_process)))

enum { large = 300 << 10 };

static char octets[large];

static const rill_process_opts in_out = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE };
static const rill_process_opts out_only = { .out = RILL_PROCESS_PIPE };
static const rill_process_opts all_three = { .in = RILL_PROCESS_PIPE,
                                             .out = RILL_PROCESS_PIPE,
                                             .err = RILL_PROCESS_PIPE };

static void drop_process(rill_process **process)
{
    rill_process_close(*process);
}

static void close_later(void *arg)
{
    rill_process_close(arg);
}

/* What the shell prints to its standard output, without input. */
static int output_of(const char *command, const rill_process_opts *opts, char text[64])
{
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out;
    int r = rill_process_start_shell(command, opts, &p);
    if (r == 0)
        r = rill_process_communicate(p, RILL_SPAN(""), &out, NULL);
    if (r < 0)
        return r;
    snprintf(text, 64, "%.*s", (int)out.size, out.at);
    return p->returncode;
}

/* --- Streams. --- */

/* test_subprocess.py: test_stdin_stdout. */
static int what_is_fed_comes_back(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    char back[16];
    size_t got;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exec cat", &in_out, &p), 0);
    EXPECT_IS(rill_stream_write(p->in, "some data", 9, NULL), 9);
    EXPECT_IS(rill_stream_drain(p->in), 0);
    EXPECT_IS(rill_stream_read_exactly(p->out, back, 9, &got), 0);
    EXPECT(memcmp(back, "some data", 9) == 0);
    EXPECT_IS(rill_stream_write_eof(p->in), 0);
    EXPECT_IS(rill_stream_write(p->in, "more", 4, NULL), -EPIPE);
    EXPECT_IS(rill_stream_read(p->out, back, sizeof back), 0);
    EXPECT_IS(rill_process_wait(p), 0);
    return 0;
}

/* test_stdin_broken_pipe. */
static int writing_to_a_child_that_went_is_a_broken_pipe(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    int r = 0;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("read line; exit 0", &in_out, &p), 0);
    EXPECT_IS(rill_stream_write(p->in, "go\n", 3, NULL), 3);
    for (int i = 0; i < 20 && r >= 0; i++)
        r = rill_stream_write(p->in, octets, large, NULL);
    EXPECT_IS(r, -EPIPE);
    EXPECT_IS(rill_stream_drain(p->in), -EPIPE);
    EXPECT_IS(rill_process_wait(p), 0);
    return 0;
}

static void note_end(void *arg)
{
    *(bool *)arg = true;
}

/* asyncio's pipe transports see it, too: nobody has to write for that. */
static int end_of_the_reader_is_seen(void *arg)
{
    static bool ended;
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    ended = false;
    EXPECT_IS(rill_process_start_shell("exec <&-; echo closed; exec sleep 3600", &in_out, &p), 0);
    rill_stream_on_peer_end(p->in, note_end, &ended);
    char octet;
    EXPECT_IS(rill_stream_read(p->in, &octet, 1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(ended && rill_stream_peer_ended(p->in));
    EXPECT_IS(rill_stream_write(p->in, "x", 1, NULL), 1);
    EXPECT_IS(rill_stream_drain(p->in), -EPIPE);
    return 0;
}

/* test_pause_reading: the reader's limit is the child's. */
static int child_that_writes_much_waits_for_its_reader(void *arg)
{
    rill_process_opts opts = { .out = RILL_PROCESS_PIPE, .read_limit = 10 };
    OWNED_PROCESS rill_process *p = NULL;
    size_t sum = 0;
    rill_span span;
    int r;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("echo ready >&2; exec head -c 300000 /dev/zero", &opts, &p),
              0);
    EXPECT_IS(rill_stream_peek(p->out, 1, &span), 1);
    for (int i = 0; i < 100; i++) {
        r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    EXPECT(rill_stream_buffered(p->out) <= 10 + (16 << 10));
    while ((r = rill_stream_peek(p->out, 1, &span)) > 0) {
        sum += span.size;
        rill_stream_consume(p->out, span.size);
    }
    EXPECT_IS(r, 0);
    EXPECT_IS(sum, 300000);
    return 0;
}

/* test_devstdin_input: pipes can be opened by their names, sockets cannot. */
static int pipes_can_be_opened_again(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out, err;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("cat </dev/stdin >/dev/stdout; echo no >/dev/stderr",
                                       &all_three, &p),
              0);
    EXPECT_IS(rill_process_communicate(p, RILL_SPAN("abc"), &out, &err), 0);
    EXPECT(rill_span_equal(out, RILL_SPAN("abc")));
    EXPECT(rill_span_equal(err, RILL_SPAN("no\n")));
    EXPECT_IS(p->returncode, 0);
    return 0;
}

/* test_wait_even_if_pipe_is_open. */
static int wait_does_not_wait_for_the_pipes(void *arg)
{
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE,
                                     .new_group = true,
                                     .kill_group = true };
    OWNED_PROCESS rill_process *p = NULL;
    rill_span span;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("sleep 3600 & exit 6", &opts, &p), 0);
    EXPECT_IS(rill_process_wait(p), 6);
    EXPECT_IS(rill_stream_peek(p->out, 0, &span), 1);
    EXPECT(!rill_stream_peer_ended(p->out));
    return 0;
}

static int files_are_not_sent_through_pipes(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    OWNED_FD int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exec cat", &in_out, &p), 0);
    EXPECT_IS(rill_stream_sendfile(p->in, file, 0, 10, NULL), -ENOTSOCK);
    EXPECT_IS(rill_stream_write(p->in, "x", 1, NULL), 1);
    return 0;
}

/* --- What a child finds. --- */

static int child_has_the_environment_and_directory_it_is_given(void *arg)
{
    static const char *const env[] = { "A=one", "B=two", NULL };
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE, .env = env, .cwd = "/proc" };
    char text[64];
    (void)arg;
    EXPECT_IS(output_of("echo $A $B $HOME; pwd", &opts, text), 0);
    EXPECT_IS(strcmp(text, "one two\n/proc\n"), 0);
    return 0;
}

static int errors_may_go_where_output_goes(void *arg)
{
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE, .err = RILL_PROCESS_STDOUT };
    char text[64];
    (void)arg;
    EXPECT_IS(output_of("echo one; echo two >&2; echo three", &opts, text), 0);
    EXPECT_IS(strcmp(text, "one\ntwo\nthree\n"), 0);
    return 0;
}

/* test_devnull_input, test_devnull_output, test_devnull_error. */
static int nothing_is_read_from_null(void *arg)
{
    const rill_process_opts opts = { .in = RILL_PROCESS_NULL,
                                     .out = RILL_PROCESS_PIPE,
                                     .err = RILL_PROCESS_NULL };
    const rill_process_opts mute = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_NULL };
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out = { "x", 1 }, err = out;
    char text[64];
    (void)arg;
    EXPECT_IS(output_of("wc -c; echo error >&2", &opts, text), 0);
    EXPECT_IS(strcmp(text, "0\n"), 0);
    EXPECT_IS(rill_process_start_shell("wc -c", &mute, &p), 0);
    EXPECT_IS(rill_process_communicate(p, RILL_SPAN("abc"), &out, &err), 0);
    EXPECT_IS(out.size + err.size, 0);
    return 0;
}

/* --- Communicating. --- */

/* test_communicate, test_empty_input, test_stdin_not_inheritable. */
static int communicate_feeds_reads_and_reaps(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL, *q = NULL;
    rill_span out, err;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("wc -c; echo error >&2; exit 3", &all_three, &p), 0);
    EXPECT_IS(rill_process_start_shell("wc -c", &in_out, &q), 0);
    EXPECT_IS(rill_process_communicate(p, RILL_SPAN("abc"), &out, &err), 0);
    EXPECT(rill_span_equal(out, RILL_SPAN("3\n")));
    EXPECT(rill_span_equal(err, RILL_SPAN("error\n")));
    EXPECT(p->ended);
    EXPECT_IS(p->returncode, 3);
    EXPECT_IS(rill_process_communicate(q, RILL_SPAN(""), &out, NULL), 0);
    EXPECT(rill_span_equal(out, RILL_SPAN("0\n")));
    EXPECT_IS(rill_process_communicate(q, RILL_SPAN(""), NULL, NULL), 0);
    return 0;
}

/* More than the pipes hold, both ways at once. */
static int communicate_with_much_does_not_block(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out;
    (void)arg;
    for (size_t i = 0; i < large; i++)
        octets[i] = (char)(i * 7 + i / 251);
    EXPECT_IS(rill_process_start_shell("exec cat", &in_out, &p), 0);
    EXPECT_IS(rill_process_communicate(p, (rill_span){ octets, large }, &out, NULL), 0);
    EXPECT_IS(out.size, large);
    EXPECT(memcmp(out.at, octets, large) == 0);
    return 0;
}

/* test_communicate_ignore_broken_pipe. */
static int communicate_ignores_a_broken_pipe(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("echo enough", &in_out, &p), 0);
    EXPECT_IS(rill_process_communicate(p, (rill_span){ octets, large }, &out, NULL), 0);
    EXPECT(rill_span_equal(out, RILL_SPAN("enough\n")));
    return 0;
}

static int output_above_the_limit_is_refused(void *arg)
{
    rill_process_opts opts = out_only;
    opts.output_limit = 10;
    OWNED_PROCESS rill_process *p = NULL, *q = NULL;
    rill_span out;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("echo 123456789", &opts, &p), 0);
    EXPECT_IS(rill_process_communicate(p, RILL_SPAN(""), &out, NULL), 0);
    EXPECT_IS(out.size, 10);
    EXPECT_IS(rill_process_start_shell("echo 1234567890; exec sleep 3600", &opts, &q), 0);
    EXPECT_IS(rill_process_communicate(q, RILL_SPAN(""), &out, NULL), -EMSGSIZE);
    EXPECT_IS(rill_process_communicate(q, RILL_SPAN("x"), &out, NULL),
              -EINVAL); /* it has no input */
    return 0;
}

static rill_process *talked;
static rill_span heard;
static bool cut_short; /* by the test, as it is meant to be */

static int talk(void *arg)
{
    int r = rill_process_communicate(talked, rill_span_of(arg), &heard, NULL);
    if (r < 0 && !cut_short) { /* it will say nothing more */
        rill_stream_close(talked->in);
        (void)rill_process_kill(talked);
    }
    return r;
}

static int talk_twice(char *input, int gate, int said)
{
    OWNED_FD int open = gate;
    cut_short = false;
    after_run(close_later, talked);
    OWNED_FUTURE rill_task *talker = rill_create_task(RILL_CORO(talk, input));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &talker), 0);
    EXPECT_IS(rill_process_communicate(talked, RILL_SPAN(""), NULL, NULL), -EBUSY);
    EXPECT(rill_poll(said, POLLIN) >= 0);
    EXPECT_IS(rill_sleep(0), 0);
    cut_short = true;
    EXPECT(rill_cancel(talker, NULL));
    EXPECT_IS(rill_await(talker), -ECANCELED);
    EXPECT(!talked->ended);
    close(open);
    open = -1;
    EXPECT_IS(rill_process_communicate(talked, rill_span_of(input), &heard, NULL), 0);
    EXPECT(rill_span_equal(heard, rill_span_of(input)));
    return 0;
}

/* No octet is ever lost: a later call has what an earlier one read, and feeds what it did not. */
static int cancelled_communicate_goes_on_later(void *arg)
{
    static char input[] = "input\n";
    rill_process_opts opts = in_out;
    int gate[2], said[2], r;
    char script[100];
    (void)arg;
    EXPECT_IS(pipe2(gate, O_CLOEXEC) + pipe2(said, O_CLOEXEC), 0);
    OWNED_FD int gate_out = gate[0], said_out = said[0];
    (void)gate_out;
    opts.err = RILL_PROCESS_FD;
    opts.err_fd = said[1];
    opts.pass_fds = gate;
    opts.pass_count = 1;
    snprintf(script, sizeof script, "cat; echo >&2; exec head -c 1 <&%d", gate[0]);
    r = rill_process_start_shell(script, &opts, &talked);
    close(said[1]);
    if (r == 0)
        r = talk_twice(input, gate[1], said_out);
    else
        close(gate[1]);
    return r;
}

static int talk_much(void *arg)
{
    return rill_process_communicate(arg, (rill_span){ octets, large }, NULL, NULL);
}

/* Before its pipes are in use, and in the middle of it. */
static int closing_under_a_talk_ends_it(void *arg)
{
    (void)arg;
    for (int turns = 1; turns < 5; turns++) {
        rill_process *p;
        EXPECT_IS(rill_process_start_shell("exec cat", &in_out, &p), 0);
        OWNED_FUTURE rill_task *talker = rill_create_task(RILL_CORO(talk_much, p));
        int r = 0;
        for (int i = 0; i < turns && r == 0; i++)
            r = rill_sleep(0);
        if (r == 0)
            r = all_begun(1, &talker);
        if (r < 0) {
            after_run(close_later, p);
            return r;
        }
        rill_process_close(p);
        r = rill_await(talker);
        EXPECT(r == -ESHUTDOWN || r == -ENOMEM);
    }
    return 0;
}

static int ask(void *arg)
{
    char script[16], text[64], wanted[16];
    snprintf(script, sizeof script, "echo foo%d", *(int *)arg);
    snprintf(wanted, sizeof wanted, "foo%d\n", *(int *)arg);
    int r = output_of(script, &out_only, text);
    if (r < 0)
        return r;
    EXPECT_IS(strcmp(text, wanted), 0);
    return 0;
}

/* test_subprocess_communicate_stdout. */
static int ten_are_asked_at_once(void *arg)
{
    static int numbers[10];
    rill_future *tasks[10];
    (void)arg;
    for (int i = 0; i < 10; i++) {
        numbers[i] = i;
        tasks[i] = kept(rill_create_task(RILL_CORO(ask, &numbers[i])));
    }
    EXPECT_IS(join_all(10, tasks), 0);
    return 0;
}

/* test_read_stdout_after_process_exit. */
static int output_outlives_the_child(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("head -c 40000 /dev/zero; exit 1", &out_only, &p), 0);
    EXPECT_IS(rill_process_wait(p), 1);
    EXPECT_IS(rill_process_communicate(p, RILL_SPAN(""), &out, NULL), 0);
    EXPECT_IS(out.size, 40000);
    return 0;
}

int main(void)
{
    static const struct scenario scenarios[] = {
        SCENARIO(what_is_fed_comes_back),
        SCENARIO(writing_to_a_child_that_went_is_a_broken_pipe),
        SCENARIO(end_of_the_reader_is_seen),
        SCENARIO(child_that_writes_much_waits_for_its_reader),
        SCENARIO(pipes_can_be_opened_again),
        SCENARIO(wait_does_not_wait_for_the_pipes),
        SCENARIO(files_are_not_sent_through_pipes),
        SCENARIO(child_has_the_environment_and_directory_it_is_given),
        SCENARIO(errors_may_go_where_output_goes),
        SCENARIO(nothing_is_read_from_null),
        SCENARIO(communicate_feeds_reads_and_reaps),
        SCENARIO(communicate_with_much_does_not_block),
        SCENARIO(communicate_ignores_a_broken_pipe),
        SCENARIO(output_above_the_limit_is_refused),
        SCENARIO(cancelled_communicate_goes_on_later),
        SCENARIO(closing_under_a_talk_ends_it),
        SCENARIO(ten_are_asked_at_once),
        SCENARIO(output_outlives_the_child),
    };
    leave_without_pidfds();
    return RUN_SCENARIOS("process_talk", scenarios);
}
