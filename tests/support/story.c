/* story.c - tests of the serving half, each between the start and the stop of a server. */
#include "tests/support/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int story_tell(void *arg)
{
    const struct story *story = arg;
    int r = serving_start(story->conf, story->tune);
    if (r < 0)
        return r;
    (void)serving_access_log();
    (void)serving_error_log();
    r = story->body(NULL);
    return rill_first_error(r, serving_stop());
}

int story_run(const struct story *story)
{
    serving.send_buffer = story->send_buffer;
    int r = run_main_with(story_tell, (void *)(uintptr_t)story, story->opts);
    if (r < 0)
        print_error("the run ended with %s\n", rill_errname(r));
    return r;
}

int story_run_apart(const struct story *story)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int r = rill_run(RILL_CORO(story_tell, (void *)(uintptr_t)story));
        fflush(NULL);
        _exit(r == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : status;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

int story_prepare(const char *conf)
{
    struct story story = { .body = nothing, .conf = conf };
    int r = rill_run(RILL_CORO(story_tell, &story));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        exit(77);
    }
    return r;
}
