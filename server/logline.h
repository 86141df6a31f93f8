/* logline.h - log lines as text: pure functions from data to octets.
 *
 * One call appends one line, its end included. Whatever a client sent comes out on one line: control
 * characters, line separators, quotes, backslashes and octets that are not UTF-8 are escaped
 * (server/http/RULES.md), and a text longer than LOG_TEXT_MAX octets is cut. A line that does not fit sets `full` of the builder;
 * the caller takes back what was written. */
#pragma once

#include <rill/text.h>
#include <rill/time.h>

enum {
    LOG_TEXT_MAX = 2048, /* octets shown of one field that a peer can choose */
    LOG_LINE_MAX = 64 << 10
};

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* How one part of a gather answer ended. */
struct log_part {
    rill_span name;
    int64_t us;
    const char *result; /* a word: done, timeout, status, ... */
};

/* One access record. An empty span, a negative time and a NULL word are left out; so is `rule` 0. */
struct log_access {
    rill_time time;         /* wall clock, ns since 1970 */
    uint64_t id[2];         /* 128 bits */
    uint64_t conn;          /* number of the connection in its worker */
    unsigned worker;        /* slot */
    unsigned generation;    /* of the configuration */
    rill_span listener;     /* address as configured */
    rill_span client;       /* address without its port */
    rill_span proto;        /* HTTP/1.1 */
    rill_span method, host; /* as sent */
    rill_span target;       /* as sent */
    rill_span route;        /* path of the route that was chosen */
    unsigned status;        /* 0: none was sent */
    unsigned rule;          /* of server/http/RULES.md, if refused */
    const char *end;        /* done, refused, client-gone, deadline, cut, shed, drain, error */
    uint64_t bytes_in, bytes_out; /* octets on the wire, heads included */
    uint64_t body_out;            /* octets of the answer's body; shown by `combined` */
    int64_t head_us;              /* first octet to complete head */
    int64_t first_byte_us;        /* complete head to first octet of the answer */
    int64_t total_us;             /* first octet to end of the answer */
    const struct log_part *parts; /* of a gather answer */
    size_t part_count;
    rill_span referer, agent;
};

/* Append the record as one JSON object. `query` false: the text behind a question mark is left out. */
void logline_json(const struct log_access *access, bool query, rill_text *text);

/* Append the record in the common "combined" form. */
void logline_combined(const struct log_access *access, bool query, rill_text *text);

/* Append an error line: `time level pid slot module message`. `slot` negative: the master, shown as a
 * dash. `journal`: begin with the priority that the journal reads. The message is escaped but for
 * quotes, and its text is ours. */
void logline_error(rill_time now, enum log_level level, int pid, int slot, const char *module,
                   rill_span message, bool journal, rill_text *text);

/* Append a time of the wall clock as RFC 3339 in UTC with milliseconds. */
void logline_time(rill_time now, rill_text *text);
