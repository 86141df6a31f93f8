/* cond.h - conditional requests: entity tags and the order of the preconditions.
 *
 * Rules 81 to 88 and 97 of RULES.md as functions of the field values and the validators of what would
 * be sent. The caller asks only if the answer without conditions would be 2xx. (rule 82) */
#pragma once

#include <rill/text.h>

/* What is known of the representation that would be sent. */
struct cond_target {
    rill_span etag;   /* with quotes and, if weak, W/ before; empty: it has none */
    int64_t modified; /* Last-Modified in seconds; INT64_MIN: it has none */
};

/* The values of the fields, white space around them removed, lines of the same name joined by a
 * comma. `at` NULL: no such field. */
struct cond_fields {
    rill_span match, none_match, modified_since, unmodified_since;
};

enum cond_result {
    COND_PROCEED,
    COND_NOT_MODIFIED, /* answer 304 */
    COND_FAILED,       /* answer 412 */
    COND_BAD,          /* answer 400: more empty list elements than a list may have (rule 42) */
};

/* Take the preconditions in their order. `safe`: the method is GET or HEAD. `now`: for dates with a
 * two-digit year. (rules 81, 83 to 86, 88) */
enum cond_result cond_check(const struct cond_fields *fields, const struct cond_target *target,
                            bool safe, int64_t now);

/* Whether `value`, of If-Range, still names the representation: a strong tag that is equal, or a
 * date equal to a Last-Modified at least one second old. False: send all of it. (rule 97) */
bool cond_if_range(rill_span value, const struct cond_target *target, int64_t now);
