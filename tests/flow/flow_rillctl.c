/* flow_rillctl.c - rillctl looks at programs that wait, hang, end, or are none of ours.
 *
 * RILLCTL and CTL_SCENE name the programs (ctest sets them). The scene says "ready" when its tasks wait, so no
 * test depends on time; what computes without an end is looked for until the watchdog has told of it. */
#include "tests/support/proc.h"

#include <rill/base.h>

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_MS = 30000 };

static struct proc scene;
static char out[512 << 10], err[8192];

static void start_scene(const char *what, const char *argument)
{
    const char *argv[] = { getenv("CTL_SCENE"), what, argument, NULL };
    assert_int_equal(proc_start(&scene, &(struct proc_spec){ .argv = argv }), 0);
    assert_int_equal(proc_await_text(&scene, PROC_OUT, "ready", ANSWER_MS), 0);
}

static int end_scene(void **state)
{
    (void)state;
    proc_fini(&scene);
    return 0;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* Run rillctl to its end: its exit status; `out` and `err` have what it wrote. */
static int run_with(const char *const *env, int (*in_child)(void), const char *const *arguments)
{
    struct proc proc;
    const char *argv[8] = { getenv("RILLCTL") };
    for (int i = 0; i < 6 && arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    struct proc_spec spec = { .argv = argv, .env = env, .in_child = in_child };
    assert_int_equal(proc_start(&proc, &spec), 0);
    int status = proc_wait(&proc, ANSWER_MS);
    copy(out, sizeof out, proc_text(&proc, PROC_OUT));
    copy(err, sizeof err, proc_text(&proc, PROC_ERR));
    proc_fini(&proc);
    return status;
}

#define RUN(...) run_with(NULL, NULL, (const char *const[]){ __VA_ARGS__, NULL })

static const char *pid_of(pid_t pid)
{
    static char text[16];
    snprintf(text, sizeof text, "%d", pid);
    return text;
}

static const char *scene_pid(void)
{
    return pid_of(scene.pid);
}

static void assert_has(const char *text)
{
    if (strstr(out, text) == NULL)
        fail_msg("no \"%s\" in:\n%s", text, out);
}

/* The line of `out` that has `text`, cut off there. */
static char *line_with(const char *text)
{
    char *at = strstr(out, text);
    assert_non_null(at);
    while (at > out && at[-1] != '\n')
        at--;
    at[strcspn(at, "\n")] = 0;
    return at;
}

static void *no_null(void *pointer)
{
    assert_non_null(pointer);
    return pointer;
}

/* --- What is told. --- */

/* B2: a program that hangs on a server which does not answer. */
static void tree_names_the_dead_server_and_the_time_that_is_left(void **state)
{
    char wanted[64];
    unsigned port, dead_port;
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(sscanf(proc_text(&scene, PROC_OUT), "ready %u %u", &port, &dead_port), 2);
    assert_int_equal(RUN("tree", scene_pid()), 0);
    char *line = line_with("'connecting'");
    snprintf(wanted, sizeof wanted, " with 127.0.0.1:%u, due in 1", dead_port);
    assert_non_null(strstr(line, "waits for connect on fd "));
    assert_non_null(strstr(line, wanted));
    assert_non_null(strstr(line, "ctl_scene.c:"));
}

/* The program that users would steal, while it hangs: its own deadline, of 30 s, is around the group. */
static void tree_tells_what_a_fetch_hangs_on(void **state)
{
    char url[64], wanted[128];
    unsigned port, dead_port;
    struct proc fetch;
    const char *argv[] = { getenv("FETCH"), url, NULL };
    (void)state;
    if (argv[0] == NULL)
        skip();
    start_scene("wait", NULL);
    assert_int_equal(sscanf(proc_text(&scene, PROC_OUT), "ready %u %u", &port, &dead_port), 2);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", dead_port);
    snprintf(wanted, sizeof wanted, " with 127.0.0.1:%u, for GET 127.0.0.1, due in 2", dead_port);
    assert_int_equal(proc_start(&fetch, &(struct proc_spec){ .argv = argv }), 0);
    for (int tries = 0; tries < 500; tries++) { /* until it has got there */
        if (RUN("tree", pid_of(fetch.pid)) == 0 && strstr(out, wanted) != NULL)
            break;
        proc_pause();
    }
    proc_fini(&fetch);
    assert_has("waits for connect on fd ");
    assert_has(wanted);
    assert_has("fetch() at ");
}

/* Names, servers and programs that tasks wait for; what of a URL may be secret is not told. */
static void tree_names_what_is_outside(void **state)
{
    static const char *const wanted[] = {
        "waits for DNS look-up of 'slow.example'",
        "waits for TLS handshake of 'tls.example' on fd ",
        ", for GET 127.0.0.1 (total), due in 5",
        "with an unnamed socket of process ",
        ", sleep)",
    };
    (void)state;
    start_scene("outside", NULL);
    assert_int_equal(RUN("tree", scene_pid()), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_has(wanted[i]);
    assert_null(strstr(out, "secret"));
    assert_null(strstr(out, "unix:"));
}

/* A child of a group has the deadline of the scope that its parent waits in. */
static void deadlines_are_those_of_whoever_waits(void **state)
{
    (void)state;
    start_scene("outside", NULL);
    assert_int_equal(RUN("tree", scene_pid()), 0);
    assert_non_null(strstr(line_with("waits for sleep"), "due in 8"));
}

static void loops_of_all_threads_are_shown(void **state)
{
    size_t loops = 0;
    (void)state;
    start_scene("threads", "8");
    for (int tries = 0; loops < 8 && tries < 1000; tries++) { /* they have only begun */
        assert_int_equal(RUN("--json", "bt", scene_pid()), 0);
        json_t *answer = json_loads(out, 0, NULL);
        json_t *process = json_array_get(json_object_get(answer, "processes"), 0);
        loops = json_array_size(json_object_get(process, "loops"));
        json_decref(answer);
        proc_pause();
    }
    assert_int_equal(loops, 8);
}

static void ps_tells_what_tasks_wait_for(void **state)
{
    char peer[64];
    unsigned port = 0;
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(sscanf(proc_text(&scene, PROC_OUT), "ready %u", &port), 1);
    assert_int_equal(RUN("ps", scene_pid()), 0);
    assert_has("loop of thread");
    assert_has("asleep");
    assert_has("held by 'holder'");
    assert_has("task 'second'; awaited by 'second'");
    assert_has("ctl_scene.c:");
    snprintf(peer, sizeof peer, "with 127.0.0.1:%u, due in 3", port);
    char *line = line_with("stream read on fd ");
    assert_non_null(strstr(line, peer));
    assert_non_null(strstr(line, "read_from_silence()"));
}

static void tree_shows_groups_waits_and_circles(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    const char *ascii[] = { "LC_ALL=C", NULL };
    assert_int_equal(run_with(ascii, NULL, (const char *const[]){ "tree", scene_pid(), NULL }), 0);
    assert_has("circle: 'first' waits for 'second' waits for 'first'");
    char *group = no_null(strstr(out, "'group' waits for the children of group"));
    char *child = no_null(strstr(group, "\n|  |- "));
    assert_non_null(strstr(child, "stream read on fd"));
    char *holder = no_null(strstr(out, "'waiter' waits for lock"));
    holder = no_null(strchr(holder, '\n'));
    assert_memory_equal(holder + 1, "|  `- 2 'holder'", 16);
    char *gather = no_null(strstr(out, "'gatherer' waits for future"));
    assert_non_null(strstr(gather, "|  |- 9 'left'"));
}

static void names_cannot_talk_to_the_terminal(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    const char *ascii[] = { "LC_ALL=C", NULL }, *utf8[] = { "LC_ALL=C.UTF-8", NULL };
    const char *const tree[] = { "tree", scene_pid(), NULL };
    assert_int_equal(run_with(ascii, NULL, tree), 0);
    assert_null(strchr(out, '\033'));
    assert_has("b\\x1b[31mad\\xff\\xc3\\xa9");
    assert_int_equal(run_with(utf8, NULL, tree), 0);
    assert_null(strchr(out, '\033'));
    assert_has("b\\x1b[31mad\\xff\xc3\xa9");
}

static void narrow_lines_are_cut(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    const char *narrow[] = { "COLUMNS=40", "LC_ALL=C", NULL };
    assert_int_equal(run_with(narrow, NULL, (const char *const[]){ "ps", scene_pid(), NULL }), 0);
    for (char *at = out, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        assert_true(end - at <= 40);
}

static void bt_shows_the_calls_of_a_parked_task(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(RUN("bt", scene_pid(), "waiter"), 0);
    char *park = no_null(strstr(out, "rill__task_park"));
    assert_non_null(strstr(park, "want_the_lock at "));
    assert_null(strstr(out, "hold_the_lock"));
    assert_int_equal(RUN("bt", scene_pid(), "12"), 0);
    char *body = no_null(strstr(out, "yield_for_ever"));
    assert_non_null(strstr(body, "drive_a_generator"));
    assert_int_equal(RUN("bt", scene_pid(), "nobody"), 1);
    assert_non_null(strstr(err, "no task nobody"));
}

static void stuck_loop_is_told_with_its_culprit(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* there the watchdog looks only at loops that ask for it */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    skip();
#endif
#endif
    start_scene("spin", NULL);
    assert_int_equal(proc_await_text(&scene, PROC_ERR, "blocks its loop for", ANSWER_MS), 0);
    assert_non_null(strstr(proc_text(&scene, PROC_ERR), "task 'spinner'"));
    /* The function is static: its name is only in the program's own symbols. */
    assert_int_equal(proc_await_text(&scene, PROC_ERR, "spin_without_end+0x", ANSWER_MS), 0);
    assert_int_equal(RUN("ps", scene_pid()), 0);
    assert_has("STUCK in one step for");
    assert_has("held by 'holder'");
    char *line = line_with("spinner  ");
    assert_non_null(strstr(line, "stuck"));
    assert_int_equal(RUN("bt", scene_pid(), "spinner"), 0);
    assert_has("spin_without_end at ");
    assert_int_equal(RUN("ps", scene_pid()), 0); /* it was not hurt */
    assert_has("STUCK in one step for");
}

static void stacks_lists_the_places(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(RUN("stacks", scene_pid()), 0);
    assert_has("DEEPEST");
    assert_has("drive_a_generator() at ");
}

static void top_sorts_by_steps(void **state)
{
    (void)state;
    start_scene("work", NULL);
    assert_int_equal(RUN("top", "-n", "2", scene_pid()), 0);
    char *second = no_null(strstr(out + 1, "ctl_scene, process"));
    char *busy = no_null(strstr(second, "busy"));
    char *main = no_null(strstr(second, "Task-1"));
    assert_true(busy < main);
}

/* --- For programs. --- */

static json_t *task_named(json_t *answer, const char *name)
{
    json_t *process = json_array_get(json_object_get(answer, "processes"), 0), *task;
    json_t *loop = json_array_get(json_object_get(process, "loops"), 0);
    size_t i;
    json_array_foreach(json_object_get(loop, "tasks"), i,
                       task) if (strcmp(json_string_value(json_object_get(task, "name")), name) ==
                                 0) return task;
    fail_msg("no task %s", name);
    return NULL;
}

static void json_has_the_same_data(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(RUN("--json", "ps", scene_pid()), 0);
    json_t *answer = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    json_t *waiter = task_named(answer, "waiter"), *wait = json_object_get(waiter, "waits_for");
    assert_string_equal(json_string_value(json_object_get(waiter, "state")), "waits");
    assert_string_equal(json_string_value(json_object_get(wait, "what")), "lock");
    json_t *holder = json_object_get(wait, "holder");
    assert_string_equal(json_string_value(json_object_get(holder, "name")), "holder");
    wait = json_object_get(task_named(answer, "Task-11"), "waits_for");
    json_int_t left = json_integer_value(json_object_get(wait, "deadline_ms"));
    assert_true(left > 3000000 && left <= 3600000);
    assert_memory_equal(json_string_value(json_object_get(wait, "peer")), "127.0.0.1:", 10);
    json_t *first = task_named(answer, "first"), *second = task_named(answer, "second");
    json_t *edge = json_array_get(json_object_get(first, "awaits"), 0);
    assert_int_equal(json_integer_value(edge), json_integer_value(json_object_get(second, "id")));
    edge = json_array_get(json_object_get(first, "awaited_by"), 0);
    assert_int_equal(json_integer_value(edge), json_integer_value(json_object_get(second, "id")));
    task_named(answer, "b\033[31mad\\xff\\xc3\\xa9");
    json_decref(answer);
}

static void json_of_every_command_is_whole(void **state)
{
    static const char *const commands[] = { "tree", "bt", "stacks" };
    (void)state;
    start_scene("wait", NULL);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_int_equal(RUN(commands[i], "--json", scene_pid()), 0);
        json_t *answer = json_loads(out, 0, NULL);
        assert_non_null(answer);
        assert_int_equal(json_array_size(json_object_get(answer, "processes")), 1);
        json_decref(answer);
    }
    assert_int_equal(RUN("top", "--json", "-n", "1", scene_pid()), 0);
    json_t *answer = json_loads(out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "tasks")), 14);
    json_decref(answer);
}

/* --- Processes. --- */

static void parent_without_a_loop_stands_for_its_children(void **state)
{
    (void)state;
    start_scene("fork", NULL);
    pid_t children[PROC_CHILDREN_MAX];
    assert_int_equal(proc_children(scene.pid, children), 2);
    for (int tries = 0; tries < 1000; tries++) { /* the second one may not be ready yet */
        assert_int_equal(RUN("ps", scene_pid()), 0);
        char *first = strstr(out, "sleep_long()");
        if (first != NULL && strstr(first + 1, "sleep_long()") != NULL)
            return;
        proc_pause();
    }
    fail_msg("only one child in:\n%s", out);
}

static void stopped_process_can_be_read(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(proc_freeze(scene.pid), 0);
    assert_int_equal(RUN("ps", scene_pid()), 0);
    assert_has("held by 'holder'");
    assert_int_equal(RUN("bt", scene_pid(), "waiter"), 0);
    assert_has("want_the_lock");
}

/* A container has files that are not there outside. */
static void bt_finds_programs_under_another_root(void **state)
{
    const char *argv[] = { "/usr/bin/unshare",
                           "-m",
                           "/bin/sh",
                           "-c",
                           "mount -t tmpfs none /mnt && cp \"$CTL_SCENE\" /mnt/hidden && "
                           "exec /mnt/hidden wait",
                           NULL };
    (void)state;
    if (getuid() != 0)
        skip();
    assert_int_equal(proc_start(&scene, &(struct proc_spec){ .argv = argv }), 0);
    if (proc_await_text(&scene, PROC_OUT, "ready", ANSWER_MS) < 0)
        skip(); /* a machine that lets nobody mount */
    assert_int_equal(RUN("bt", scene_pid(), "waiter"), 0);
    assert_has("hidden, process");
    assert_has("want_the_lock at ");
}

static void tasks_that_come_and_go_do_no_harm(void **state)
{
    (void)state;
    start_scene("work", NULL);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(RUN("tree", scene_pid()), 0);
        assert_has("'busy'");
    }
    assert_false(proc_has_ended(&scene));
}

static int become_nobody(void)
{
    return setuid(65534);
}

static void processes_that_cannot_be_read_are_told_apart(void **state)
{
    (void)state;
    start_scene("wait", NULL);
    assert_int_equal(RUN("ps", "999999999"), 1);
    assert_non_null(strstr(err, "there is no process 999999999"));
    struct proc stranger;
    const char *argv[] = { "/bin/sleep", "1000", NULL };
    assert_int_equal(proc_start(&stranger, &(struct proc_spec){ .argv = argv }), 0);
    int status = RUN("ps", pid_of(stranger.pid));
    proc_fini(&stranger);
    assert_int_equal(status, 1);
    assert_non_null(strstr(err, "has no task table"));
    if (getuid() != 0)
        skip();
    assert_int_equal(
        run_with(NULL, become_nobody, (const char *const[]){ "ps", scene_pid(), NULL }), 1);
    assert_non_null(strstr(err, "may not look into process"));
    assert_non_null(strstr(err, "root"));
}

/* A daemon that is older or newer than rillctl: its master has no table, its workers have one of theirs. */
static void children_of_another_version_are_the_reason(void **state)
{
    (void)state;
    start_scene("later", NULL);
    assert_int_equal(RUN("ps", scene_pid()), 1);
    assert_non_null(strstr(err, "has a task table of another version"));
}

static void wrong_usage_says_what_is_right(void **state)
{
    (void)state;
    assert_int_equal(RUN("pss", "1"), 2);
    assert_non_null(strstr(err, "no command pss; there are ps, tree, bt, stacks, top"));
    assert_int_equal(RUN("ps"), 2);
    assert_int_equal(RUN("ps", "x"), 2);
    assert_int_equal(RUN("ps", "0"), 2);
    assert_int_equal(RUN("ps", "1", "2"), 2);
    assert_int_equal(RUN("top", "1", "-n"), 2);
    assert_int_equal(RUN("top", "1", "-n", "0"), 2);
    assert_int_equal(RUN("--what"), 2);
    assert_int_equal(RUN("--help"), 0);
    assert_has("usage: rillctl");
    assert_int_equal(RUN("--version"), 0);
    assert_has("rillctl ");
}

#define SHOWS(name) cmocka_unit_test_teardown(name, end_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOWS(tree_names_the_dead_server_and_the_time_that_is_left),
        SHOWS(tree_tells_what_a_fetch_hangs_on),
        SHOWS(tree_names_what_is_outside),
        SHOWS(deadlines_are_those_of_whoever_waits),
        SHOWS(loops_of_all_threads_are_shown),
        SHOWS(ps_tells_what_tasks_wait_for),
        SHOWS(tree_shows_groups_waits_and_circles),
        SHOWS(names_cannot_talk_to_the_terminal),
        SHOWS(narrow_lines_are_cut),
        SHOWS(bt_shows_the_calls_of_a_parked_task),
        SHOWS(stuck_loop_is_told_with_its_culprit),
        SHOWS(stacks_lists_the_places),
        SHOWS(top_sorts_by_steps),
        SHOWS(json_has_the_same_data),
        SHOWS(json_of_every_command_is_whole),
        SHOWS(parent_without_a_loop_stands_for_its_children),
        SHOWS(stopped_process_can_be_read),
        SHOWS(bt_finds_programs_under_another_root),
        SHOWS(tasks_that_come_and_go_do_no_harm),
        SHOWS(processes_that_cannot_be_read_are_told_apart),
        SHOWS(children_of_another_version_are_the_reason),
        SHOWS(wrong_usage_says_what_is_right),
    };
    if (getenv("RILLCTL") == NULL || getenv("CTL_SCENE") == NULL) {
        fprintf(stderr, "RILLCTL and CTL_SCENE must name the programs\n");
        return 77;
    }
    return cmocka_run_group_tests_name("rillctl", tests, NULL, NULL);
}
