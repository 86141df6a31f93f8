/* fuzz_cond.c - the values of conditions, ranges and dates (RULES.md, rules 75 and 81 to 97).
 *
 * Oracle: a range lies inside the representation; a tag that matches stands in the value, and what
 * matches strongly also matches weakly; a date that was read is written and read as the same second. */
#include "tests/fuzz/fuzz.h"

#include "server/http/cond.h"
#include "server/http/date.h"
#include "server/http/range.h"
#include "tests/support/guard.h"

#include <string.h>

#define INPUT_MAX (16u << 10)

static const int64_t now = 1767225600, modified = 784111777;

static void check_range(rill_span value)
{
    static const uint64_t sizes[] = { 0, 1, 10, 65536, INT64_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct range range;
        if (range_read(value, sizes[i], &range) == RANGE_PART)
            PROMISE(range.size > 0 && range.size <= sizes[i] &&
                    range.first <= sizes[i] - range.size);
    }
}

static void check_date(rill_span value)
{
    int64_t seconds, again;
    char text[date_size];
    if (date_parse(value, now, &seconds) < 0)
        return;
    date_format(seconds, text);
    PROMISE(date_parse((rill_span){ text, date_size }, now, &again) == 0 && again == seconds);
}

static bool holds(rill_span value, rill_span part)
{
    return value.size >= part.size && memmem(value.at, value.size, part.at, part.size) != NULL;
}

static void check_tags(rill_span value)
{
    rill_span tag = RILL_SPAN("\"a,b\"");
    struct cond_target strong = { tag, modified };
    struct cond_fields match = { .match = value }, none = { .none_match = value };
    enum cond_result with = cond_check(&match, &strong, true, now);
    enum cond_result without = cond_check(&none, &strong, true, now);
    PROMISE(without != COND_FAILED && with != COND_NOT_MODIFIED);
    if (with == COND_PROCEED)
        PROMISE(without == COND_NOT_MODIFIED);
    if (without == COND_NOT_MODIFIED)
        PROMISE(holds(value, tag) || rill_span_equal(value, RILL_SPAN("*")));
    if (cond_if_range(value, &strong, now))
        PROMISE(rill_span_equal(value, tag) || value.size >= 24 /* a date */);
    struct cond_fields dates = { .modified_since = value, .unmodified_since = value };
    PROMISE(cond_check(&dates, &strong, false, now) != COND_BAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static guard input;
    if (size > INPUT_MAX)
        return 0;
    if (!input.map)
        guard_init(&input, INPUT_MAX);
    rill_span value = { guard_put(&input, data, size), size };
    check_range(value);
    check_date(value);
    check_tags(value);
    return 0;
}
