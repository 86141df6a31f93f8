/* story.h - tests of the serving half, each between the start and the stop of a server. */
#pragma once

#include "tests/support/expect.h"
#include "tests/support/serving.h"

/* A test: what happens between the start and the stop of a server. */
struct story {
    rill_fn *body;
    const char *conf;
    void (*tune)(struct conf *conf); /* or NULL */
    const rill_loop_opts *opts;      /* or NULL */
    size_t send_buffer;              /* of the server's sockets; 0: the system's */
};

/* Tell it in a loop of its own, and leave nothing behind.   Returns: the result of its body. */
int story_run(const struct story *story);

/* The same in a process of its own: a drain is for good.   Returns: 0; another number. */
int story_run_apart(const struct story *story);

/* The same without that loop: a coroutine, `arg` is the story. */
int story_tell(void *arg) RILL_SUSPENDS;

/* Before the first one, so that what a process makes once is there. Ends the program where there is no
 * ring.   Returns: 0; -errno. */
int story_prepare(const char *conf);
