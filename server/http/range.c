/* range.c - which octets of a representation a Range field asks for. (9110 §14) */
#include "server/http/range.h"

enum { empty_max = 32 }; /* elements of a list that may be empty (rule 42) */

/* What the field asks for, as read so far. */
struct wish {
    struct range ranges[range_max]; /* those that can be satisfied, in order of `first` */
    size_t count;
    size_t asked, empty; /* elements of the list */
    uint64_t sum;        /* of the sizes; stays at its maximum instead of wrapping */
    bool whole;          /* a satisfiable range has no octets, so only all of them can be sent */
};

static void skip_space(rill_span *in)
{
    while (in->size > 0 && (in->at[0] == ' ' || in->at[0] == '\t')) {
        in->at++;
        in->size--;
    }
}

/* Take digits from the front; a number that does not fit 63 bits stays at their maximum, which is
 * beyond every end. (rule 93)   Returns whether there was a digit. */
static bool take_number(rill_span *in, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t at = 0;
    for (; at < in->size && in->at[at] >= '0' && in->at[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(in->at[at] - '0');
        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    in->at += at;
    in->size -= at;
    *ret_value = value;
    return at > 0;
}

static void add(struct wish *wish, struct range range)
{
    size_t at = wish->count++;
    for (; at > 0 && wish->ranges[at - 1].first > range.first; at--)
        wish->ranges[at] = wish->ranges[at - 1];
    wish->ranges[at] = range;
    if (__builtin_add_overflow(wish->sum, range.size, &wish->sum))
        wish->sum = UINT64_MAX;
}

/* `-N`: the last N octets, all of them if there are fewer; N = 0 cannot be satisfied. (rule 91) */
static bool take_suffix(rill_span *in, uint64_t size, struct wish *wish)
{
    uint64_t count;
    in->at++;
    in->size--;
    if (!take_number(in, &count))
        return false;
    if (count > 0 && size == 0)
        wish->whole = true;
    else if (count > 0)
        add(wish, count < size ? (struct range){ size - count, count } : (struct range){ 0, size });
    return true;
}

/* `F-L` or `F-`; L beyond the end is the end, F beyond it cannot be satisfied. (rules 91, 92) */
static bool take_from(rill_span *in, uint64_t size, struct wish *wish)
{
    uint64_t first, last;
    if (!take_number(in, &first) || in->size == 0 || in->at[0] != '-')
        return false;
    in->at++;
    in->size--;
    if (!take_number(in, &last))
        last = INT64_MAX;
    else if (last < first)
        return false;
    if (first < size)
        add(wish, (struct range){ first, (last < size ? last + 1 : size) - first });
    return true;
}

/* Read the list.   Returns false if it breaks the grammar or a limit: then it is ignored. */
static bool read_list(rill_span in, uint64_t size, struct wish *wish)
{
    for (;;) {
        skip_space(&in);
        if (in.size == 0 || in.at[0] == ',') {
            if (++wish->empty > empty_max)
                return false;
        } else {
            if (++wish->asked > range_max)
                return false;
            if (!(in.at[0] == '-' ? take_suffix(&in, size, wish) : take_from(&in, size, wish)))
                return false;
            skip_space(&in);
        }
        if (in.size == 0)
            return wish->asked > 0;
        if (in.at[0] != ',')
            return false;
        in.at++;
        in.size--;
    }
}

enum range_result range_read(rill_span value, uint64_t size, struct range *ret_range)
{
    struct wish wish = { .count = 0 };
    rill_span unit = RILL_SPAN("bytes=");
    if (value.size < unit.size || !rill_span_equal_nocase((rill_span){ value.at, unit.size }, unit))
        return RANGE_WHOLE;
    value.at += unit.size;
    value.size -= unit.size;
    if (!read_list(value, size, &wish) || wish.whole || wish.sum > size)
        return RANGE_WHOLE;
    if (wish.count == 0)
        return RANGE_NONE;
    /* Overlapping and touching ranges are one. (rule 96) */
    struct range merged = wish.ranges[0];
    for (size_t i = 1; i < wish.count; i++) {
        const struct range *next = &wish.ranges[i];
        if (next->first > merged.first + merged.size)
            return RANGE_WHOLE;
        if (next->first + next->size > merged.first + merged.size)
            merged.size = next->first + next->size - merged.first;
    }
    *ret_range = merged;
    return RANGE_PART;
}
