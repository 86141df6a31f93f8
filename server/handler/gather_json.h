/* gather_json.h - what may become a member's value: JSON that was checked, or text as a JSON string. */
#pragma once

#include <rill/text.h>

enum { GATHER_JSON_DEPTH_MAX = 64 };

/* To be done once before the first check, outside of any request: jansson takes its memory from rill's
 * allocator and its random seed now. */
void gather_json_init(void);

/* The version of jansson. */
const char *gather_json_version(void);

/* `text` without the white space of JSON round it. */
rill_span gather_json_trim(rill_span text);

/* Whether `text` is one JSON value by RFC 8259, at most 64 levels deep, without duplicate names and
 * without a byte-order mark.   Returns: 0; -EBADMSG (it is not); -ENOMEM. */
int gather_json_check(rill_span text);

/* The octets that `text` takes as a JSON string, quotes included.
 * Returns: 0 and the number; -EBADMSG (it is not UTF-8). */
int gather_json_string_size(rill_span text, size_t *ret_size);

/* Append `text`, which is UTF-8, as a JSON string. Sets `full` if it does not fit. */
void gather_json_string(rill_text *out, rill_span text);
