/* message.c - HTTP heads parsed in any split and told as text. */
#include "tests/support/message.h"

#include <stdio.h>
#include <string.h>

void message_init(message *m, int kind)
{
    memset(m, 0, sizeof *m);
    m->kind = kind;
    m->method = RILL_HTTP_GET;
    guard_init(&m->guard, 64 << 10);
}

void message_fini(message *m)
{
    guard_fini(&m->guard);
}

static int parse(message *m, rill_span input, size_t size)
{
    rill_http_message *head = &m->head;
    const char *at = guard_put(&m->guard, input.at, size);
    switch (m->kind) {
    case MESSAGE_REQUEST: return rill_http_request_parse(head, at, size, m->limits);
    case MESSAGE_RESPONSE: return rill_http_response_parse(head, m->method, at, size, m->limits);
    default: return rill_http_trailer_parse(head, at, size, m->limits);
    }
}

static void tell_part(rill_text *text, const char *name, const rill_http_message *head,
                      rill_http_part part)
{
    rill_text_fmt(text, "%s %u %u [", name, part.at, part.size);
    rill_text_add(text, rill_http_span(head, part));
    rill_text_add(text, RILL_SPAN("]\n"));
}

/* Everything a user of the head can see. */
static void tell(const message *m, rill_text *text)
{
    const rill_http_message *head = &m->head;
    message_summary(m, text);
    rill_text_char(text, '\n');
    if (m->result <= 0)
        return;
    rill_text_fmt(text, "size %u known %llx repeated %llx length %llu scheme %d\n", head->size,
                  (unsigned long long)head->known, (unsigned long long)head->repeated,
                  (unsigned long long)head->length, head->scheme);
    tell_part(text, "method", head, head->method_name);
    tell_part(text, "target", head, head->target);
    tell_part(text, "authority", head, head->authority);
    tell_part(text, "reason", head, head->reason);
    for (unsigned i = 0; i < head->field_count; i++) {
        rill_text_fmt(text, "%u ", head->fields[i].id);
        tell_part(text, "name", head, head->fields[i].name);
        tell_part(text, "value", head, head->fields[i].value);
    }
    for (unsigned id = 0; id < RILL_HTTP_FIELD_COUNT; id++)
        if (head->known >> id & 1)
            rill_text_fmt(text, "first %u %u\n", id, head->first[id]);
}

void message_restart(message *m)
{
    rill_http_head_init(&m->head, m->fields, MESSAGE_FIELDS);
    m->result = 0;
}

void message_step(message *m, rill_span received)
{
    m->result = parse(m, received, received.size);
    rill_text text = { m->text, sizeof m->text, 0, false };
    if (m->result != 0)
        tell(m, &text);
    rill_text_end(&text);
}

void message_parse(message *m, rill_span input, size_t split)
{
    size_t size = split == 0 ? input.size : split == SIZE_MAX ? 1 : split;
    message_restart(m);
    if (size > input.size)
        size = input.size;
    while ((m->result = parse(m, input, size)) == 0 && size < input.size)
        size = split == SIZE_MAX ? size + 1 : input.size;
    rill_text text = { m->text, sizeof m->text, 0, false };
    tell(m, &text);
    rill_text_end(&text);
}

static void summarise_request(const rill_http_message *head, rill_text *text)
{
    static const char *const forms[] = { "origin", "absolute", "asterisk" };
    rill_text_add(text, rill_http_span(head, head->method_name));
    rill_text_fmt(text, " %s ", forms[head->form]);
    rill_text_add(text, rill_http_span(head, head->resource));
    rill_text_fmt(text, " 1.%d ", head->minor);
    rill_text_add(text, rill_http_span(head, head->host));
    rill_text_fmt(text, ":%u ", head->port);
}

static void summarise_response(const rill_http_message *head, rill_text *text)
{
    rill_text_fmt(text, "%u [", head->status);
    rill_text_add(text, rill_http_span(head, head->reason));
    rill_text_fmt(text, "] 1.%d ", head->minor);
}

void message_summary(const message *m, rill_text *text)
{
    static const char *const framings[] = { "none", "length", "chunked", "until-close" };
    const rill_http_message *head = &m->head;
    if (m->result == 0) {
        rill_text_add(text, RILL_SPAN("incomplete"));
        return;
    }
    if (m->result < 0) {
        rill_text_fmt(text, "refused %u rule %u", head->refuse_status, head->refuse_rule);
        return;
    }
    if (m->kind == MESSAGE_REQUEST)
        summarise_request(head, text);
    else if (m->kind == MESSAGE_RESPONSE)
        summarise_response(head, text);
    rill_text_add(text, rill_span_of(framings[head->framing]));
    if (head->framing == RILL_HTTP_BODY_LENGTH)
        rill_text_fmt(text, "=%llu", (unsigned long long)head->length);
    rill_text_fmt(text, " %s", head->keep_alive ? "keep" : "close");
    rill_text_fmt(text, "%s%s", head->expect_continue ? " 100" : "",
                  head->upgrade ? " upgrade" : "");
}

static bool same(const message *m, rill_span input, const char *want, const char *what)
{
    if (strcmp(m->text, want) == 0)
        return true;
    fprintf(stderr, "%s, input: %.*s\nis:     %s\nwanted: %s\n", what, (int)input.size, input.at,
            m->text, want);
    return false;
}

bool message_is(message *m, rill_span input, const char *want)
{
    static char whole[sizeof m->text];
    message_parse(m, input, 0);
    memcpy(whole, m->text, sizeof whole);
    *strchr(m->text, '\n') = 0; /* the first line is the summary */
    if (!same(m, input, want, "whole"))
        return false;
    message_parse(m, input, SIZE_MAX);
    if (!same(m, input, whole, "octet by octet"))
        return false;
    for (size_t split = 1; split < input.size; split++) {
        message_parse(m, input, split);
        if (!same(m, input, whole, "split"))
            return false;
    }
    return true;
}
