/* fuzz_http_response.c - responses of one connection, heads and bodies, in any split (F4).
 *
 * The first octet chooses the method of the request. Oracle: the octets mean the same in every
 * split, and each field can be written again and reads back the same. */
#include "tests/fuzz/exchange.h"
#include "tests/fuzz/fuzz.h"

static void check_head(const rill_http_message *head)
{
    static char memory[64 << 10];
    static rill_http_field fields[MESSAGE_FIELDS];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_http_limits limits = { .line = 16384, .head = 32768, .fields = MESSAGE_FIELDS };
    rill_http_message again;
    rill_http_write_status(&text, head->status);
    for (unsigned i = 0; i < head->field_count; i++) {
        int r = rill_http_write_field(&text, rill_http_span(head, head->fields[i].name),
                                      rill_http_span(head, head->fields[i].value));
        PROMISE(r == 0);
    }
    rill_http_write_end(&text);
    PROMISE(!text.full);
    rill_http_head_init(&again, fields, MESSAGE_FIELDS);
    int r = rill_http_response_parse(&again, (rill_http_method)head->method, memory, text.used,
                                     &limits);
    PROMISE(r == (int)text.used);
    PROMISE(again.status == head->status && again.framing == head->framing);
    PROMISE(again.length == head->length && again.known == head->known);
    PROMISE(again.field_count == head->field_count);
    for (unsigned i = 0; i < head->field_count; i++)
        PROMISE(rill_span_equal(rill_http_span(head, head->fields[i].value),
                                rill_http_span(&again, again.fields[i].value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 32 << 10)
        return 0;
    rill_http_method method = data[0] == 'H' ? RILL_HTTP_HEAD : RILL_HTTP_GET;
    exchange_check(MESSAGE_RESPONSE, method, data + 1, size - 1, check_head);
    return 0;
}
