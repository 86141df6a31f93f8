/* gather_part.h - one part of a gather request: how it is run, and what became of it. */
#pragma once

#include "server/conf/conf.h"
#include "server/conn/request.h"

#include <rill/base.h>
#include <rill/time.h>

/* How a part ended: X(id, word). The words are all that `_errors` ever says; STATUS has its number
 * behind. */
#define GATHER_REASONS(X)           \
    X(CONNECT, "connect")           \
    X(TIMEOUT, "timeout")           \
    X(DEADLINE, "deadline")         \
    X(RESET, "reset")               \
    X(STATUS, "status")             \
    X(NOT_FOUND, "not found")       \
    X(FORBIDDEN, "forbidden")       \
    X(TOO_LARGE, "too large")       \
    X(INVALID_JSON, "invalid json") \
    X(INVALID_TEXT, "invalid text") \
    X(TYPE, "type")                 \
    X(ENCODING, "encoding")         \
    X(UNAVAILABLE, "unavailable")   \
    X(CANCELLED, "cancelled")

enum gather_reason {
    GATHER_UNFINISHED,
    GATHER_GOOD,

#define GATHER_REASON_ENUM(id, word) GATHER_##id,
    GATHER_REASONS(GATHER_REASON_ENUM)
#undef GATHER_REASON_ENUM
};

/* What a good part is. */
enum gather_kind { GATHER_NULL, GATHER_JSON, GATHER_TEXT };

/* Where a part's file lies. */
struct gather_place {
    int dir;
    const char *name;
};

/* What the parts of one request share. */
struct gather_run {
    const struct request *request;
    struct rill_http_session *session;
    uint64_t body_max;  /* octets of all parts */
    uint64_t body_used; /* taken so far */
    rill_time begin, deadline;
};

/* One part of one request. Its memory is the request's arena. */
struct gather_part {
    const struct conf_part *conf;
    struct gather_place place; /* of a file */
    struct gather_run *run;
    enum gather_reason reason;
    int status;     /* of GATHER_STATUS */
    rill_time took; /* from the begin of the request to the end of the part */
    enum gather_kind kind;
    rill_span body;    /* JSON without white space round it, or text */
    size_t value_size; /* octets of the member's value */
};

/* Whether the part failed by itself: neither good nor ended from outside. */
static inline bool gather_part_failed(const struct gather_part *part)
{
    return part->reason != GATHER_UNFINISHED && part->reason != GATHER_GOOD &&
           part->reason != GATHER_CANCELLED;
}

/* The coroutine of a part; `arg` is the struct gather_part.
 * Returns: 0 (it is good, or it failed and is optional: `reason` says which); -EREMOTEIO (it is
 * required and failed); -ECANCELED (it was ended from outside and is unfinished). */
int gather_part_run(void *arg) RILL_SUSPENDS;
