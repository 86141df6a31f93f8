/* gather.c - many upstream requests and file reads at once, answered as one JSON object.
 *
 * What it answers is in server/http/RULES.md, Gather.
 *
 * Every part is a child task of the request in one group, so the request never ends before its parts,
 * and a cancelled request leaves none behind. The group does the rest: a required part that fails
 * ends with an error, and the group cancels the others and waits for them. The total deadline is a
 * scope round the group; what is unfinished then is `deadline`. The group has a grace: the request cannot
 * end before its parts, so a part that goes on waiting when the client has left, the deadline has come or
 * another part has failed would hold the connection for as long as it likes.
 *
 * Parts that fail in one turn all note their reasons before the group acts, so the first in the order of
 * the configuration decides the status, whichever ran first. */
#include "server/handler/handler.h"

#include "server/conf/conf.h"
#include "server/handler/gather_json.h"
#include "server/handler/gather_part.h"
#include "server/logline.h"

#include <rill/client.h>
#include <rill/group.h>
#include <rill/http.h>
#include <rill/mem.h>
#include <rill/timeout.h>

#include <errno.h>

enum { connections_max = 4096 }; /* to upstreams, of a route */

struct gather {
    const struct conf_gather *conf;
    rill_time deadline; /* a span */
    rill_http_session *session;
    struct reply_fields fields;
    struct gather_place places[]; /* of the parts, in their order */
};

/* --- Running --- */

static struct gather_part *make_parts(const struct gather *gather, struct gather_run *run)
{
    size_t count = gather->conf->part_count;
    struct gather_part *parts = rill_arena_alloc_zero(run->request->arena, count, sizeof *parts);
    for (size_t i = 0; i < count && parts != NULL; i++) {
        parts[i].conf = &gather->conf->parts[i];
        parts[i].place = gather->places[i];
        parts[i].run = run;
    }
    return parts;
}

/* Start all parts. A part that cannot be started has failed like any other.
 * Returns: 0; -EREMOTEIO (a required one). */
static int start_parts(struct gather_part *parts, size_t count, rill_group *group)
{
    for (size_t i = 0; i < count; i++) {
        if (rill_group_go(group, RILL_CORO(gather_part_run, &parts[i])) == 0)
            continue;
        parts[i].reason = GATHER_UNAVAILABLE;
        if (!parts[i].conf->optional)
            return -EREMOTEIO;
    }
    return 0;
}

/* Run all parts to their end. *ret_expired: the deadline came before.
 * Returns: 0, -EREMOTEIO or -ETIME (the parts say what became of them); -ECANCELED; -ENOMEM. */
static int run_parts(struct gather_part *parts, size_t count, rill_time deadline, bool *ret_expired)
    RILL_SUSPENDS;

static int run_parts(struct gather_part *parts, size_t count, rill_time deadline, bool *ret_expired)
{
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    int r = rill_timeout_at(&scope, deadline);
    if (r < 0)
        return r;
    r = rill_group_enter(&group);
    if (r == 0) {
        (void)rill_group_set_grace(&group, HANDLER_GRACE); /* was just entered: cannot fail */
        r = rill_group_leave(&group, start_parts(parts, count, &group));
        rill_group_fini(&group);
    }
    r = rill_scope_leave(&scope, r);
    *ret_expired = rill_scope_expired(&scope);
    return r;
}

/* The first required part that failed by itself; NULL: none. */
static const struct gather_part *find_failed(const struct gather_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!parts[i].conf->optional && gather_part_failed(&parts[i]))
            return &parts[i];
    return NULL;
}

/* Give parts that were ended from outside their reason, and find the status of the answer.
 * `expired`: it was the deadline, unless a required part failed. */
static int settle(struct gather_part *parts, size_t count, bool expired)
{
    const struct gather_part *failed = find_failed(parts, count);
    enum gather_reason rest = failed == NULL && expired ? GATHER_DEADLINE : GATHER_CANCELLED;
    for (size_t i = 0; i < count; i++)
        if (parts[i].reason == GATHER_UNFINISHED)
            parts[i].reason = rest;
    if (failed == NULL)
        failed = find_failed(parts, count); /* by the deadline */
    if (failed == NULL)
        return 200;
    return failed->reason == GATHER_TIMEOUT || failed->reason == GATHER_DEADLINE ? 504 : 502;
}

static rill_span word_of(enum gather_reason reason)
{
    static const rill_span words[] = { [GATHER_GOOD] = { "done", sizeof "done" - 1 },
#define GATHER_REASON_WORD(id, word) [GATHER_##id] = { word, sizeof word - 1 },
                                       GATHER_REASONS(GATHER_REASON_WORD)
#undef GATHER_REASON_WORD
    };
    return words[reason];
}

/* Tell the access record how the parts ended. Without memory it does without. */
static void note_parts(struct request *request, const struct gather_part *parts, size_t count)
{
    struct log_part *notes = rill_arena_alloc(request->arena, count * sizeof *notes);
    if (notes == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        notes[i] = (struct log_part){ .name = parts[i].conf->name,
                                      .us = parts[i].took / RILL_US(1),
                                      .result = word_of(parts[i].reason).at };
    request->parts = notes;
    request->part_count = count;
}

/* --- The answer --- */

static void add_name(rill_text *text, const struct gather_part *part, bool first)
{
    if (!first)
        rill_text_char(text, ',');
    rill_text_char(text, '"');
    rill_text_add(text, part->conf->name); /* of letters that need no escape */
    rill_text_add(text, RILL_SPAN("\":"));
}

static void add_value(rill_text *text, const struct gather_part *part)
{
    if (part->reason != GATHER_GOOD || part->kind == GATHER_NULL)
        rill_text_add(text, RILL_SPAN("null"));
    else if (part->kind == GATHER_JSON)
        rill_text_add(text, part->body);
    else
        gather_json_string(text, part->body);
}

static void add_errors(rill_text *text, const struct gather_part *parts, size_t count)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].reason == GATHER_GOOD)
            continue;
        if (first)
            rill_text_add(text, RILL_SPAN(",\"_errors\":{"));
        add_name(text, &parts[i], first);
        rill_text_char(text, '"');
        rill_text_add(text, word_of(parts[i].reason));
        if (parts[i].reason == GATHER_STATUS) {
            rill_text_char(text, ' ');
            rill_text_u64(text, (uint64_t)parts[i].status);
        }
        rill_text_char(text, '"');
        first = false;
    }
    if (!first)
        rill_text_char(text, '}');
}

static void add_object(rill_text *text, const struct gather_part *parts, size_t count)
{
    rill_text_char(text, '{');
    for (size_t i = 0; i < count; i++) {
        add_name(text, &parts[i], i == 0);
        add_value(text, &parts[i]);
    }
    add_errors(text, parts, count);
    rill_text_char(text, '}');
}

/* Octets that the object takes at most. */
static size_t object_room(const struct gather_part *parts, size_t count)
{
    enum { round_value = 4, reason_max = 24 };

    size_t size = 32; /* braces, _errors */
    for (size_t i = 0; i < count; i++) {
        size += parts[i].conf->name.size + round_value;
        size += parts[i].reason == GATHER_GOOD ? parts[i].value_size : sizeof "null";
        if (parts[i].reason != GATHER_GOOD)
            size += parts[i].conf->name.size + round_value + reason_max;
    }
    return size;
}

/* Write the object, then the head in front of it, which has to know its length. */
static int make_reply(const struct gather *gather, rill_arena *arena,
                      const struct gather_part *parts, int status, struct reply *ret_reply)
{
    size_t count = gather->conf->part_count, room = object_room(parts, count);
    size_t front =
        reply_head_room + gather->conf->cache_control.size + reply_fields_size(&gather->fields);
    char *memory = rill_arena_alloc(arena, front + room);
    if (memory == NULL)
        return -ENOMEM;
    rill_text body = { memory + front, room, 0, false };
    add_object(&body, parts, count);
    struct reply_head head;
    reply_head_begin(&head, memory, front, status, &gather->fields);
    reply_head_field(&head, RILL_SPAN("Content-Type"), RILL_SPAN("application/json"));
    reply_head_length(&head, body.used);
    if (gather->conf->cache_control.size > 0)
        reply_head_field(&head, RILL_SPAN("Cache-Control"), gather->conf->cache_control);
    int r = reply_head_end(&head, ret_reply);
    if (r < 0 || body.full)
        return r < 0 ? r : -EMSGSIZE;
    ret_reply->head = body.at - ret_reply->head_size;
    memmove(ret_reply->head, memory, ret_reply->head_size);
    reply_body_behind(ret_reply, body.used);
    return 0;
}

/* --- Serving --- */

/* Run the parts and answer. */
static int run_and_answer(const struct gather *gather, struct request *request,
                          struct reply *ret_reply) RILL_SUSPENDS;

static int run_and_answer(const struct gather *gather, struct request *request,
                          struct reply *ret_reply)
{
    size_t count = gather->conf->part_count;
    bool expired = false;
    struct gather_run run = {
        .request = request,
        .session = gather->session,
        .body_max = gather->conf->body_max,
        .begin = rill_turn_time(),
    };
    run.deadline = rill_time_add(run.begin, gather->deadline);
    struct gather_part *parts = make_parts(gather, &run);
    if (parts == NULL)
        return -ENOMEM;
    int r = run_parts(parts, count, run.deadline, &expired);
    int status = settle(parts, count, expired);
    note_parts(request, parts, count);
    if (r < 0 && r != -EREMOTEIO && r != -ETIME)
        return r;
    return make_reply(gather, request->arena, parts, status, ret_reply);
}

static bool has_body(const rill_http_message *head)
{
    return head->framing == RILL_HTTP_BODY_CHUNKED ||
           (head->framing == RILL_HTTP_BODY_LENGTH && head->length > 0);
}

static int gather_serve(void *state, struct request *request, struct reply *ret_reply)
{
    static const rill_span none = { NULL, 0 };
    const struct gather *gather = state;
    int status = 400;
    if (!has_body(request->head)) {
        int r = run_and_answer(gather, request, ret_reply);
        if (r == 0 || r == -ECANCELED)
            return r;
        status = 503;
    }
    reply_error_with(request->arena, status, none, none, &gather->fields, ret_reply);
    return 0;
}

/* --- Life --- */

/* Where the file of a part lies: the descriptor of its folder, and its name there. */
static int find_place(const struct conf_part *part, const struct handler_env *env,
                      struct gather_place *ret_place)
{
    rill_span folder = part->file;
    while (folder.size > 1 && folder.at[folder.size - 1] != '/')
        folder.size--;
    const char *name = part->file.at + folder.size;
    while (folder.size > 1 && folder.at[folder.size - 1] == '/')
        folder.size--;
    int dir = env->directory(env->generation, folder);
    if (dir < 0)
        return dir;
    *ret_place = (struct gather_place){ dir, name };
    return 0;
}

static void gather_close(void *state)
{
    struct gather *gather = state;
    if (gather == NULL)
        return;
    rill_http_session_free(gather->session);
    rill_free(gather);
}

static int gather_open(const struct conf_route *conf, const struct handler_env *env,
                       void **ret_state)
{
    const struct conf_gather *own = &conf->gather;
    /* The route's deadline ends the request without an answer of ours: be a little earlier. */
    rill_time margin = conf->deadline > RILL_MS(2) ? RILL_MS(1) : 0;
    static const rill_http_line lines[] = {
        { RILL_SPAN("Accept"), RILL_SPAN("application/json, text/*;q=0.9, */*;q=0.1") },
        { RILL_SPAN("Accept-Encoding"), RILL_SPAN("identity") },
        { RILL_SPAN("User-Agent"), RILL_SPAN("rilld") },
    };
    /* A part is bounded by its own deadline, and nothing that one request got is told to another. */
    rill_http_session_opts session = {
        .total = RILL_FOREVER,
        .sock_connect = RILL_FOREVER,
        .limit = connections_max,
        .keepalive = RILL_SEC(30),
        .headers = lines,
        .header_count = sizeof lines / sizeof *lines,
        .redirects = -1,
        .no_cookies = true,
        .raw = true,
    };
    struct gather *gather =
        rill_alloc_zero(1, sizeof *gather + own->part_count * sizeof *gather->places);
    int r = 0;
    if (gather == NULL)
        return -ENOMEM;
    gather_json_init();
    gather->conf = own;
    gather->deadline = own->deadline;
    if (gather->deadline > conf->deadline - margin)
        gather->deadline = conf->deadline - margin;
    gather->fields = (struct reply_fields){ conf->header, conf->header_count };
    r = rill_http_session_new(&session, &gather->session);
    for (size_t i = 0; i < own->part_count && r == 0; i++)
        if (own->parts[i].file.size > 0)
            r = find_place(&own->parts[i], env, &gather->places[i]);
    if (r < 0)
        gather_close(gather);
    else
        *ret_state = gather;
    return r;
}

const struct handler handler_gather = {
    .name = "gather",
    .suspends = true,
    .methods = 1u << RILL_HTTP_GET | 1u << RILL_HTTP_HEAD,
    .open = gather_open,
    .close = gather_close,
    .serve = gather_serve,
};
