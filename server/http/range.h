/* range.h - which octets of a representation a Range field asks for.
 *
 * Rules 89 to 96 of RULES.md but for the method, which is the caller's. One range is sent as 206;
 * where several remain after merging, the whole representation is sent. */
#pragma once

#include <rill/text.h>

struct range {
    uint64_t first, size;
};

enum range_result {
    RANGE_WHOLE, /* 200: no range, or one that is ignored */
    RANGE_PART,  /* 206 */
    RANGE_NONE,  /* 416: nothing that was asked for is there */
};

enum { range_max = 8 }; /* ranges in one field; with more it is ignored (rule 96) */

/* Read `value`, of Range, for a representation of `size` octets (below 2^63).
 * Returns: what to answer; with RANGE_PART the octets in *ret_range, inside the representation and
 * not empty. */
enum range_result range_read(rill_span value, uint64_t size, struct range *ret_range);
