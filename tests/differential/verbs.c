/* verbs.c - the statements about tasks, futures, calls and scopes, and what statements tell. See verbs.h. */
#include "tests/differential/verbs.h"

#include "tests/differential/program.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct world world = { .var = { .name = "var" } };

/* --- The trace. --- */

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static const char *said; /* what a verb gave, if it is no number */

void say_instead(const char *text)
{
    said = text;
}

const char *outcome(int rc, const rill_err *why)
{
    static char text[64];
    const char *given = said;
    said = NULL;
    if (rc == NOTHING)
        return "none";
    if (rc >= 0 && given != NULL)
        return given;
    if (rc >= 0)
        snprintf(text, sizeof text, "%d", rc);
    else if (rc != -ECANCELED)
        snprintf(text, sizeof text, "-%s", strerrorname_np(-rc));
    else
        snprintf(text, sizeof text, "-ECANCELED %s",
                 why != NULL && why->msg != NULL && why->msg[0] == 'm' ? why->msg : "-");
    return text;
}

const char *future_outcome(rill_future *future)
{
    return rill_done(future) ? outcome(rill_result(future), rill_error(future)) : "pending";
}

/* --- Operands. --- */

static rill_future **place(const char *name)
{
    int i = name[1] - '0';
    switch (name[0]) {
    case 'f': return &world.futures[i];
    case 't': return &world.tops[i];
    case 'k': return &world.started[i];
    default: return &world.gathers[i];
    }
}

/* NULL also for the running task, which does not await itself. */
static rill_future *find(const char *name)
{
    rill_future *found = *place(name);
    return found == rill_current_task() ? NULL : found;
}

static size_t members(char *const *name, rill_future **ret_members)
{
    size_t n = 0;
    for (; *name != NULL; name++)
        if (find(*name) != NULL)
            ret_members[n++] = find(*name);
    return n;
}

int slot_of(const char *word)
{
    return word[strcspn(word, "0123456789")] - '0';
}

rill_time span_of(const char *word)
{
    return word[0] == '-' ? RILL_FOREVER : RILL_MS(number(word));
}

/* --- Futures and tasks. --- */

static int do_turn(char *const *word)
{
    (void)word;
    return rill_sleep(0);
}

static int do_sleep(char *const *word)
{
    return rill_sleep(span_of(word[0]));
}

static int do_await(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_await(future);
}

static int do_shield(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_join(rill_shield(future));
}

static int do_wait_for(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_wait_for(future, span_of(word[1]));
}

static int do_wait(char *const *word)
{
    rill_future *some[WORDS_MAX], *out[WORDS_MAX + 1];
    rill_wait_when when = word[0][0] == 'a'   ? RILL_ALL_COMPLETED
                          : word[0][0] == 'f' ? RILL_FIRST_COMPLETED
                                              : RILL_FIRST_ERROR;
    size_t n = members(word + 2, some);
    return n == 0 ? NOTHING : rill_wait(n, some, when, span_of(word[1]), out);
}

static int do_gather(char *const *word)
{
    rill_future *some[WORDS_MAX];
    size_t n = members(word + 2, some);
    if (n == 0)
        return NOTHING;
    world.gathers[slot_of(word[0])] =
        rill_gather(n, some, word[1][0] == 'e' ? RILL_RETURN_ERRORS : 0);
    return rill_done(world.gathers[slot_of(word[0])]);
}

static int do_completed(char *const *word)
{
    rill_future *some[WORDS_MAX];
    size_t n = members(word + 2, some);
    if (n == 0)
        return NOTHING;
    rill_as_completed *it = rill_alloc_zero(1, sizeof *it);
    world.iterations[slot_of(word[0])] = it;
    return rill_as_completed_init(it, n, some, span_of(word[1]));
}

static int do_cover(char *const *word)
{
    rill_future *future = find(word[1]);
    if (future == NULL)
        return NOTHING;
    world.gathers[slot_of(word[0])] = rill_shield(future);
    return rill_done(world.gathers[slot_of(word[0])]);
}

/* The name of a member: that of the slot which it is in. */
static const char *name_of(const rill_future *future)
{
    static const struct {
        char letter;
        rill_future **slots;
    } kinds[] = { { 'f', world.futures }, { 't', world.tops }, { 'k', world.started } };

    static char name[3];
    name[0] = '\0';
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (int i = 0; i < SLOTS; i++)
            if (kinds[kind].slots[i] == future)
                snprintf(name, sizeof name, "%c%c", kinds[kind].letter, '0' + i);
    return name;
}

static int do_next(char *const *word)
{
    rill_future *future;
    if (world.iterations[slot_of(word[0])] == NULL)
        return NOTHING;
    int r = rill_as_completed_next(world.iterations[slot_of(word[0])], &future);
    if (r >= 0)
        say_instead(r > 0 ? name_of(future) : "no more");
    return r;
}

static int do_set(char *const *word)
{
    return rill_future_set_result(*place(word[0]), number(word[1]), NULL);
}

static int do_error(char *const *word)
{
    return rill_future_set_error(*place(word[0]), number(word[1]), NULL);
}

static int do_cancel(char *const *word)
{
    static int messages;
    char message[16];
    if (*place(word[0]) == NULL)
        return NOTHING;
    snprintf(message, sizeof message, "m%d", ++messages);
    return rill_cancel(*place(word[0]), message);
}

static int do_result(char *const *word)
{
    rill_future *future = *place(word[0]);
    if (future == NULL)
        return NOTHING;
    say_instead(future_outcome(future));
    return 0;
}

static int do_uncancel(char *const *word)
{
    (void)word;
    return (int)rill_uncancel(rill_current_task());
}

static int do_cancelling(char *const *word)
{
    (void)word;
    return (int)rill_cancelling(rill_current_task());
}

/* --- Calls, values, and scopes of anybody. --- */

static void watcher(rill_future *future, void *arg)
{
    say("watcher %s -> %s", (const char *)arg, future_outcome(future));
}

static char numbers[][2] = { "0", "1" };

static int do_watch(char *const *word)
{
    rill_future *future = *place(word[0]);
    return future == NULL ? NOTHING
                          : rill_add_done_callback(future, watcher, numbers[number(word[1])]);
}

static int do_unwatch(char *const *word)
{
    rill_future *future = *place(word[0]);
    if (future == NULL)
        return NOTHING;
    return (int)rill_remove_done_callback(future, watcher, numbers[number(word[1])]);
}

static void make_call(void *words);

static int do_soon(char *const *word)
{
    world.handles[slot_of(word[0])] =
        rill_call_soon(rill_get_running_loop(), make_call, (void *)(uintptr_t)(word + 1));
    return 0;
}

static int do_later(char *const *word)
{
    world.handles[slot_of(word[0])] = rill_call_later(rill_get_running_loop(), span_of(word[1]),
                                                      make_call, (void *)(uintptr_t)(word + 2));
    return 0;
}

static int do_drop(char *const *word)
{
    rill_handle handle = world.handles[slot_of(word[0])];
    return handle.entry == NULL ? NOTHING : rill_handle_cancel(handle);
}

static int do_var_set(char *const *word)
{
    return rill_var_set(&world.var, (void *)(intptr_t)number(word[0]), NULL);
}

static int do_var_get(char *const *word)
{
    (void)word;
    return (int)(intptr_t)rill_var_get(&world.var);
}

static int do_fire(char *const *word)
{
    rill_scope *scope = world.scopes[slot_of(word[0])];
    return scope == NULL ? NOTHING : rill_scope_reschedule(scope, rill_now() - RILL_SEC(1));
}

static int do_reschedule(char *const *word)
{
    rill_scope *scope = world.scopes[slot_of(word[0])];
    rill_time at = span_of(word[1]);
    return scope == NULL ? NOTHING
                         : rill_scope_reschedule(scope, at == RILL_FOREVER ? at : rill_now() + at);
}

static const struct verb verbs[] = {
    { "await", do_await },
    { "cancel", do_cancel },
    { "cancelling", do_cancelling },
    { "completed", do_completed },
    { "cover", do_cover },
    { "drop", do_drop },
    { "error", do_error },
    { "fire", do_fire },
    { "gather", do_gather },
    { "later", do_later },
    { "next", do_next },
    { "reschedule", do_reschedule },
    { "result", do_result },
    { "set", do_set },
    { "shield", do_shield },
    { "sleep", do_sleep },
    { "soon", do_soon },
    { "turn", do_turn },
    { "uncancel", do_uncancel },
    { "unwatch", do_unwatch },
    { "var_get", do_var_get },
    { "var_set", do_var_set },
    { "wait", do_wait },
    { "wait_for", do_wait_for },
    { "watch", do_watch },
    { NULL, NULL },
};

static const struct verb *find_verb(const struct verb *at, const char *name)
{
    while (at->name != NULL && strcmp(at->name, name) != 0)
        at++;
    return at->name != NULL ? at : NULL;
}

int verb_do(char *const *word)
{
    const struct verb *verb = find_verb(verbs, word[0]);
    if (verb == NULL)
        verb = find_verb(lock_verbs, word[0]);
    if (verb != NULL)
        return verb->call(word + 1);
    say("no verb: %s", word[0]);
    return -ENOSYS;
}

static void make_call(void *words)
{
    char *const *word = words;
    int rc = verb_do(word);
    printf("call");
    for (; *word != NULL; word++)
        printf(" %s", *word);
    say(" -> %s", outcome(rc, NULL));
}
