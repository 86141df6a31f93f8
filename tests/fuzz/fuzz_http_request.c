/* fuzz_http_request.c - requests of one connection, heads and bodies, in any split (F1).
 *
 * Oracle: the octets mean the same in every split, the number of requests included; and a head that
 * is written again from its parsed form reads back as the same head. */
#include "tests/fuzz/exchange.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool same_part(const rill_http_message *a, rill_http_part x, const rill_http_message *b,
                      rill_http_part y)
{
    return rill_span_equal(rill_http_span(a, x), rill_http_span(b, y));
}

static void write_head(rill_text *text, const rill_http_message *head)
{
    int r = rill_http_write_request(text, rill_http_span(head, head->method_name),
                                    rill_http_span(head, head->target),
                                    rill_http_span(head, head->authority));
    PROMISE(r == 0);
    for (unsigned i = 0; i < head->field_count; i++) {
        const rill_http_field *field = &head->fields[i];
        if (field->id == RILL_HTTP_FIELD_HOST)
            continue;
        r = rill_http_write_field(text, rill_http_span(head, field->name),
                                  rill_http_span(head, field->value));
        PROMISE(r == 0);
    }
    rill_http_write_end(text);
    PROMISE(!text->full);
}

/* Every field but Host, in order. */
static void check_fields(const rill_http_message *head, const rill_http_message *again)
{
    unsigned j = 1;
    for (unsigned i = 0; i < head->field_count; i++) {
        const rill_http_field *field = &head->fields[i];
        if (field->id == RILL_HTTP_FIELD_HOST)
            continue;
        PROMISE(j < again->field_count && again->fields[j].id == field->id);
        PROMISE(same_part(head, field->name, again, again->fields[j].name));
        PROMISE(same_part(head, field->value, again, again->fields[j].value));
        j++;
    }
    PROMISE(j == again->field_count);
}

static void check_head(const rill_http_message *head)
{
    static char memory[64 << 10];
    static rill_http_field fields[MESSAGE_FIELDS + 1];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_http_limits limits = { .line = 16384, .head = 32768, .fields = MESSAGE_FIELDS + 1 };
    rill_http_message again;
    if (head->authority.size == 0)
        return; /* HTTP/1.0 without a host cannot be written as 1.1 */
    write_head(&text, head);
    rill_http_head_init(&again, fields, MESSAGE_FIELDS + 1);
    int r = rill_http_request_parse(&again, memory, text.used, &limits);
    PROMISE(r == (int)text.used);
    PROMISE(again.method == head->method && again.form == head->form);
    PROMISE(again.framing == head->framing && again.length == head->length);
    PROMISE(again.port == head->port && again.scheme == head->scheme);
    PROMISE(same_part(head, head->target, &again, again.target));
    PROMISE(same_part(head, head->host, &again, again.host));
    check_fields(head, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 32 << 10)
        exchange_check(MESSAGE_REQUEST, RILL_HTTP_GET, data, size, check_head);
    return 0;
}
