/* story.c - tests of the serving half, each between the start and the stop of a server. */
#include "tests/support/story.h"

#include <stdlib.h>

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
    serving.send_buffer = 0;
    int r = run_main_with(story_tell, (void *)(uintptr_t)story, story->opts);
    if (r < 0)
        print_error("the run ended with %s\n", rill_errname(r));
    return r;
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
