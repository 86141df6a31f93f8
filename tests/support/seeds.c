/* seeds.c - stories under many seeds, and the smallest world in which one still fails. See seeds.h.
 *
 * Each try of a smaller world is a process of its own: a story that failed may have left anything behind. */
#include "tests/support/seeds.h"

#include "tests/support/proc.h"

#include <rill/sim.h>
#include <rill/text.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { patience_ms = 5000, stuck_s = 100, text_size = 256 };

static const struct {
    const char *word;
    unsigned class;
} words[] = {
    { "short", RILL_SIM_SHORT },   { "eintr", RILL_SIM_EINTR },       { "errors", RILL_SIM_ERRORS },
    { "reset", RILL_SIM_RESET },   { "canceled", RILL_SIM_CANCELED }, { "loss", RILL_SIM_LOSS },
    { "double", RILL_SIM_DOUBLE },
};

enum { word_count = sizeof words / sizeof *words };

/* A world in which a story is told. */
struct told {
    const char *story; /* NULL: none goes on */
    rill_sim_opts world;
    unsigned load;
};

unsigned seeds_load;
bool seeds_faults;
static struct told now;
static uint64_t state; /* of the draws */

uint32_t seeds_draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

/* --- Smaller worlds. --- */

static void describe(const struct told *told, char text[text_size])
{
    snprintf(text, text_size, "STORY_WORLD=%s", told->world.shuffle ? "shuffle" : "");
    for (size_t i = 0; i < word_count; i++)
        if (told->world.faults & words[i].class) {
            size_t used = strlen(text);
            snprintf(text + used, text_size - used, "%s%s", text[used - 1] == '=' ? "" : ",",
                     words[i].word);
        }
}

static bool still_fails(const struct told *told)
{
    char name[text_size], seed[64], load[64], what[text_size];
    snprintf(name, sizeof name, "STORY=%s", told->story);
    snprintf(seed, sizeof seed, "STORY_SEED=%llu", (unsigned long long)told->world.seed);
    snprintf(load, sizeof load, "STORY_LOAD=%u", told->load);
    describe(told, what);
    const char *argv[] = { "/proc/self/exe", NULL };
    const char *env[] = { name, seed, load, what, "STORY_SEEDS=1", "STORY_SHRINK=0", NULL };
    struct proc proc = { 0 };
    int status = proc_start(&proc, &(struct proc_spec){ .argv = argv, .env = env });
    if (status == 0)
        status = proc_wait(&proc, patience_ms);
    proc_fini(&proc);
    return status > 0 || status == -ETIME;
}

static bool keep_if_it_fails(struct told *smallest, const struct told *smaller)
{
    bool differs = smaller->world.faults != smallest->world.faults ||
                   smaller->world.shuffle != smallest->world.shuffle ||
                   smaller->load != smallest->load;
    if (!differs || !still_fails(smaller))
        return false;
    *smallest = *smaller;
    return true;
}

/* Find and print the smallest command that still fails. */
static void shrink(const struct told *failed)
{
    struct told smallest = *failed, smaller;
    char text[text_size];
    if (getenv("STORY_SHRINK") != NULL)
        return;
    if (!still_fails(&smallest)) {
        printf("it does not fail alone\n");
        return;
    }
    for (size_t i = 0; i < word_count; i++) {
        smaller = smallest;
        smaller.world.faults &= ~words[i].class;
        (void)keep_if_it_fails(&smallest, &smaller);
    }
    smaller = smallest;
    smaller.world.shuffle = false;
    (void)keep_if_it_fails(&smallest, &smaller);
    do {
        smaller = smallest;
        smaller.load = (smallest.load + 1) / 2;
    } while (keep_if_it_fails(&smallest, &smaller));
    describe(&smallest, text);
    printf("smallest that still fails: STORY=%s STORY_SEED=%llu STORY_LOAD=%u %s %s\n",
           smallest.story, (unsigned long long)smallest.world.seed, smallest.load, text,
           program_invocation_name);
    fflush(stdout);
}

/* --- A story that fails. --- */

static void tell_failed(void)
{
    struct told failed = now;
    now.story = NULL;
    if (failed.story == NULL)
        return;
    print_message("seed %llu; again with STORY=%s STORY_SEED=%llu\n",
                  (unsigned long long)failed.world.seed, failed.story,
                  (unsigned long long)failed.world.seed);
    shrink(&failed);
}

/* A broken invariant, or nothing goes on: the last words of a program that ends here. */
static void on_signal(int signo)
{
    if (now.story != NULL)
        rill_sim_report(signo == SIGABRT ? "a broken invariant" : "it does not end");
    tell_failed();
    if (signo != SIGABRT)
        _exit(1);
}

/* --- Telling. --- */

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number;
    return text != NULL && rill_parse_u64(rill_span_of(text), UINT64_MAX, &number) == 0 ? number
                                                                                        : otherwise;
}

/* Take from the world what STORY_WORLD does not name; all stays if that is not set. */
static void keep_what_is_wanted(rill_sim_opts *world)
{
    const char *text = getenv("STORY_WORLD");
    if (text == NULL)
        return;
    world->shuffle = world->shuffle && strstr(text, "shuffle") != NULL;
    for (size_t i = 0; i < word_count; i++)
        if (strstr(text, words[i].word) == NULL)
            world->faults &= ~words[i].class;
}

static void try_seed(const struct seeds_story *story, uint64_t seed)
{
    bool even = seed % 2 == 0;
    now.world = (rill_sim_opts){ .seed = seed,
                                 .shuffle = even || !story->ordered,
                                 .faults_end = story->faults_end };
    if (story->faults_end > 0 || (story->faults && even))
        now.world.faults = RILL_SIM_ALL;
    keep_what_is_wanted(&now.world);
    now.load = seeds_load = (unsigned)number_of("STORY_LOAD", story->load);
    seeds_faults = now.world.faults != 0;
    rill_loop_opts opts = { .sim = &now.world, .recv_buffers = story->recv_buffers };
    state = seed * 0x9e3779b97f4a7c15u;
    now.story = story->name;
    alarm(stuck_s);
    int r = run_main_with(story->tell, NULL, &opts);
    if (r < 0)
        fail_msg("seed %llu: %s", (unsigned long long)seed, rill_errname(r));
    alarm(0);
    now.story = NULL;
}

bool seeds_try(const struct seeds_story *story)
{
    const char *wanted = getenv("STORY");
    bool one = getenv("STORY_SEED") != NULL;
    tell_failed(); /* a story before this one */
    if (wanted != NULL && strcmp(wanted, story->name) != 0)
        return false;
    uint64_t first = number_of("STORY_SEED", 1);
    uint64_t count = number_of("STORY_SEEDS", one ? 1 : story->seeds);
    for (uint64_t seed = first; seed < first + count; seed++)
        try_seed(story, seed);
    return !one && getenv("STORY_WORLD") == NULL && getenv("STORY_LOAD") == NULL;
}

int seeds_main(const char *group, const struct scenario *scenarios, size_t count)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    int r = run_scenarios(group, scenarios, count);
    tell_failed();
    return r;
}
