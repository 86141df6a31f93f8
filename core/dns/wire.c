/* wire.c - the times to live in an answer that c-ares does not tell.
 *
 * Octets of a stranger: each step is checked, and each record is at least eleven octets long, so the
 * number of steps is bounded by the size. Names are passed over, never followed. */
#include "core/dns/question.h"

enum {
    head_size = 12,
    record_size = 10, /* behind the name */
    question_size = 4,
    code_none = 3, /* there is no such name */
    type_soa = 6,
    soa_tail = 20, /* its five numbers; the last one is the minimum */
    ttl_most = 0x7fffffff,
};

struct view {
    const unsigned char *at;
    size_t left;
    bool broken;
};

static const unsigned char *take(struct view *view, size_t size)
{
    const unsigned char *at = view->at;
    if (view->broken || size > view->left) {
        view->broken = true;
        return NULL;
    }
    view->at += size;
    view->left -= size;
    return at;
}

static unsigned u16_at(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t u32_at(const unsigned char *at)
{
    return (uint32_t)u16_at(at) << 16 | u16_at(at + 2);
}

static void pass_name(struct view *view)
{
    const unsigned char *label;
    while ((label = take(view, 1)) != NULL && *label != 0) {
        if (*label >= 0xc0) { /* the rest lies elsewhere */
            (void)take(view, 1);
            return;
        }
        (void)take(view, *label);
    }
}

struct record {
    unsigned type, size;
    uint32_t ttl;
    const unsigned char *data;
};

static bool next_record(struct view *view, struct record *ret_record)
{
    pass_name(view);
    const unsigned char *head = take(view, record_size);
    if (head == NULL)
        return false;
    uint32_t ttl = u32_at(head + 4);
    *ret_record = (struct record){ .type = u16_at(head),
                                   .size = u16_at(head + 8),
                                   .ttl = ttl > ttl_most ? 0 : ttl }; /* RFC 2181, 8 */
    ret_record->data = take(view, ret_record->size);
    return ret_record->data != NULL;
}

/* Behind the questions; the head, or NULL. */
static const unsigned char *begin(struct view *view)
{
    const unsigned char *head = take(view, head_size);
    for (unsigned left = head != NULL ? u16_at(head + 4) : 0; left > 0 && !view->broken; left--) {
        pass_name(view);
        (void)take(view, question_size);
    }
    return view->broken ? NULL : head;
}

bool rill__dns_is_failure(const unsigned char *octets, size_t size)
{
    unsigned code = size >= head_size ? octets[3] & 15u : code_none;
    return code != 0 && code != code_none;
}

unsigned rill__dns_refusal_ttl(const unsigned char *octets, size_t size)
{
    struct view view = { octets, size, false };
    struct record record;
    const unsigned char *head = begin(&view);
    unsigned code = head != NULL ? head[3] & 15u : 0;
    bool refuses = head != NULL && (code == code_none || (code == 0 && u16_at(head + 6) == 0));
    if (!refuses)
        return 0;
    unsigned left = u16_at(head + 6) + u16_at(head + 8);
    for (; left > 0 && next_record(&view, &record); left--)
        if (record.type == type_soa && record.size >= soa_tail) {
            uint32_t minimum = u32_at(record.data + record.size - 4);
            return minimum < record.ttl ? minimum : record.ttl;
        }
    return 0;
}

unsigned rill__dns_least_ttl(const unsigned char *octets, size_t size)
{
    struct view view = { octets, size, false };
    struct record record;
    const unsigned char *head = begin(&view);
    unsigned least = 0, left = head != NULL ? u16_at(head + 6) : 0;
    for (bool first = true; left > 0 && next_record(&view, &record); left--, first = false)
        if (first || record.ttl < least)
            least = record.ttl;
    return least;
}
