/* shrink.c - a simulated story that failed is told again, in smaller worlds. See shrink.h.
 *
 * Each try is a process of its own: a story that failed may have left anything behind. */
#include "tests/support/shrink.h"

#include "tests/support/proc.h"

#include <rill/text.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { patience_ms = 5000, text_size = 256 };

static const struct {
    const char *word;
    unsigned class;
} words[] = {
    { "short", RILL_SIM_SHORT }, { "eintr", RILL_SIM_EINTR },       { "errors", RILL_SIM_ERRORS },
    { "reset", RILL_SIM_RESET }, { "canceled", RILL_SIM_CANCELED },
};

enum { word_count = sizeof words / sizeof *words };

enum shrink_wish shrink_wish(const char *story, uint64_t *ret_seed)
{
    const char *name = getenv("STORY"), *seed = getenv("STORY_SEED");
    if (name != NULL && strcmp(name, story) != 0)
        return SHRINK_OTHER_STORY;
    if (seed == NULL || rill_parse_u64(rill_span_of(seed), UINT64_MAX, ret_seed) < 0)
        return SHRINK_ALL_SEEDS;
    return SHRINK_ONE_SEED;
}

void shrink_world(rill_sim_opts *world)
{
    const char *text = getenv("STORY_WORLD");
    if (text == NULL)
        return;
    world->shuffle = world->shuffle && strstr(text, "shuffle") != NULL;
    for (size_t i = 0; i < word_count; i++)
        if (strstr(text, words[i].word) == NULL)
            world->faults &= ~words[i].class;
}

static void describe(const rill_sim_opts *world, char text[text_size])
{
    snprintf(text, text_size, "STORY_WORLD=%s", world->shuffle ? "shuffle" : "");
    for (size_t i = 0; i < word_count; i++)
        if (world->faults & words[i].class) {
            size_t used = strlen(text);
            snprintf(text + used, text_size - used, "%s%s", text[used - 1] == '=' ? "" : ",",
                     words[i].word);
        }
}

static bool still_fails(const char *story, const rill_sim_opts *world)
{
    char name[text_size], seed[64], what[text_size];
    snprintf(name, sizeof name, "STORY=%s", story);
    snprintf(seed, sizeof seed, "STORY_SEED=%llu", (unsigned long long)world->seed);
    describe(world, what);
    const char *argv[] = { "/proc/self/exe", NULL };
    const char *env[] = { name, seed, what, "STORY_SHRINK=0", NULL };
    struct proc proc = { 0 };
    int status = proc_start(&proc, &(struct proc_spec){ .argv = argv, .env = env });
    if (status == 0)
        status = proc_wait(&proc, patience_ms);
    proc_fini(&proc);
    return status > 0 || status == -ETIME;
}

void shrink(const char *story, const rill_sim_opts *world)
{
    rill_sim_opts smallest = *world;
    char text[text_size];
    if (getenv("STORY_SHRINK") != NULL)
        return;
    if (!still_fails(story, &smallest)) {
        printf("it does not fail alone\n");
        return;
    }
    for (size_t i = 0; i <= word_count; i++) {
        rill_sim_opts smaller = smallest;
        if (i < word_count)
            smaller.faults &= ~words[i].class;
        else
            smaller.shuffle = false;
        bool differs = smaller.faults != smallest.faults || smaller.shuffle != smallest.shuffle;
        if (differs && still_fails(story, &smaller))
            smallest = smaller;
    }
    describe(&smallest, text);
    printf("smallest that still fails: STORY=%s STORY_SEED=%llu %s %s\n", story,
           (unsigned long long)world->seed, text, program_invocation_name);
    fflush(stdout);
}
