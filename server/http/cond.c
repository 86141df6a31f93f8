/* cond.c - conditional requests: entity tags and the order of the preconditions. (9110 §13) */
#include "server/http/cond.h"

#include "server/http/date.h"

enum { empty_max = 32 }; /* elements of a list that may be empty (rule 42) */

struct tag {
    rill_span opaque; /* with its quotes */
    bool weak;
};

static bool is_tag_octet(char octet)
{
    unsigned char c = (unsigned char)octet;
    return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

/* Read one entity tag at the front of *in and step over it. (rule 88, 9110 §8.8.3)
 * Returns whether there was one; if not, *in is where the grammar broke. */
static bool take_tag(rill_span *in, struct tag *ret_tag)
{
    size_t at = 0;
    bool weak = rill_span_starts(*in, RILL_SPAN("W/"));
    if (weak)
        at = 2;
    size_t open = at;
    if (at < in->size && in->at[at] == '"')
        for (at++; at < in->size && is_tag_octet(in->at[at]); at++)
            ;
    bool good = at > open && at < in->size && in->at[at] == '"';
    if (good) {
        at++;
        *ret_tag = (struct tag){ { in->at + open, at - open }, weak };
    }
    in->at += at;
    in->size -= at;
    return good;
}

static struct tag tag_of(rill_span text)
{
    struct tag tag = { { NULL, 0 }, true };
    take_tag(&text, &tag);
    return tag;
}

static void skip_space(rill_span *in)
{
    while (in->size > 0 && (in->at[0] == ' ' || in->at[0] == '\t')) {
        in->at++;
        in->size--;
    }
}

/* Go to the comma that ends the element, or to the end; a comma inside quotes does not count. */
static void skip_element(rill_span *in)
{
    bool quoted = false;
    while (in->size > 0 && (quoted || in->at[0] != ',')) {
        quoted ^= in->at[0] == '"';
        in->at++;
        in->size--;
    }
}

enum list_result { LIST_MATCH, LIST_OTHER, LIST_BAD };

/* Whether the list holds `target`. What is no entity tag matches nothing. */
static enum list_result list_scan(rill_span list, struct tag target, bool strong)
{
    int empty = 0;
    if (rill_span_equal(list, RILL_SPAN("*")))
        return LIST_MATCH;
    for (;;) {
        struct tag tag;
        skip_space(&list);
        if (list.size == 0 || list.at[0] == ',') {
            if (++empty > empty_max)
                return LIST_BAD;
        } else {
            rill_span element = list;
            bool good = take_tag(&list, &tag);
            skip_space(&list);
            if (!good || (list.size > 0 && list.at[0] != ',')) {
                list = element;
                skip_element(&list);
            } else if (rill_span_equal(tag.opaque, target.opaque) &&
                       !(strong && (tag.weak || target.weak))) {
                return LIST_MATCH;
            }
        }
        if (list.size == 0)
            return LIST_OTHER;
        list.at++; /* the comma */
        list.size--;
    }
}

/* The first half: does the client still agree with what is there? (rules 83, 86) */
static enum cond_result check_still(const struct cond_fields *fields,
                                    const struct cond_target *target, int64_t now)
{
    int64_t date;
    if (fields->match.at != NULL) {
        switch (list_scan(fields->match, tag_of(target->etag), true)) {
        case LIST_MATCH: return COND_PROCEED;
        case LIST_OTHER: return COND_FAILED;
        case LIST_BAD: return COND_BAD;
        }
    }
    if (fields->unmodified_since.at == NULL || target->modified == INT64_MIN ||
        date_parse(fields->unmodified_since, now, &date) < 0)
        return COND_PROCEED;
    return target->modified > date ? COND_FAILED : COND_PROCEED;
}

/* The second half: has the client got it already? (rules 84, 85) */
static enum cond_result check_new(const struct cond_fields *fields,
                                  const struct cond_target *target, bool safe, int64_t now)
{
    int64_t date;
    if (fields->none_match.at != NULL) {
        switch (list_scan(fields->none_match, tag_of(target->etag), false)) {
        case LIST_MATCH: return safe ? COND_NOT_MODIFIED : COND_FAILED;
        case LIST_OTHER: return COND_PROCEED;
        case LIST_BAD: return COND_BAD;
        }
    }
    if (!safe || fields->modified_since.at == NULL || target->modified == INT64_MIN ||
        date_parse(fields->modified_since, now, &date) < 0)
        return COND_PROCEED;
    return target->modified <= date ? COND_NOT_MODIFIED : COND_PROCEED;
}

enum cond_result cond_check(const struct cond_fields *fields, const struct cond_target *target,
                            bool safe, int64_t now)
{
    enum cond_result still = check_still(fields, target, now);
    return still != COND_PROCEED ? still : check_new(fields, target, safe, now);
}

bool cond_if_range(rill_span value, const struct cond_target *target, int64_t now)
{
    struct tag tag, own = tag_of(target->etag);
    rill_span left = value;
    int64_t date;
    if (take_tag(&left, &tag))
        return left.size == 0 && !tag.weak && !own.weak && rill_span_equal(tag.opaque, own.opaque);
    /* A file changed within the second of its date may hold two states of it. (9110 §8.8.2.2) */
    return target->modified != INT64_MIN && target->modified < now &&
           date_parse(value, now, &date) == 0 && date == target->modified;
}
