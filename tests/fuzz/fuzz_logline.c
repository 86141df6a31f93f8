/* fuzz_logline.c - log lines made of octets that a client chose.
 *
 * Oracle: one line, its end at the end; no other control octet; quotes in pairs unless escaped; valid
 * UTF-8; a line cut anywhere sets `full`; without the query no octet behind a question mark is shown. */
#include "tests/fuzz/fuzz.h"

#include "server/logline.h"
#include "tests/support/guard.h"

#include <string.h>

typedef void line_format(const struct log_access *access, bool query, rill_text *text);

static char memory[LOG_LINE_MAX];
static guard end; /* room that ends at an unreadable page */

/* The next field of the input: its first octet says how long it is, in steps of 16. */
static rill_span take(const uint8_t **at, size_t *left)
{
    size_t size = *left > 0 ? (size_t) * *at * 16 : 0;
    if (*left > 0) {
        (*at)++;
        (*left)--;
    }
    size = size < *left ? size : *left;
    rill_span span = { (const char *)*at, size };
    *at += size;
    *left -= size;
    return span;
}

/* Octets that follow the first one of a UTF-8 sequence; 4: it is none. */
static int followers(unsigned char first)
{
    return first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

static void check_line(const rill_text *text)
{
    unsigned quotes = 0;
    int due = 0;
    PROMISE(text->used > 0 && text->at[text->used - 1] == '\n');
    for (size_t i = 0; i + 1 < text->used; i++) {
        unsigned char octet = (unsigned char)text->at[i];
        PROMISE(octet >= 0x20 && octet != 0x7f);
        if (due > 0) {
            PROMISE((octet & 0xc0) == 0x80);
            due--;
            continue;
        }
        due = followers(octet);
        PROMISE(due < 4);
        if (octet == '\\')
            i++;
        else
            quotes += octet == '"';
    }
    PROMISE(due == 0 && quotes % 2 == 0);
}

static void check_format(line_format *format, const struct log_access *access)
{
    rill_text text = { memory, sizeof memory, 0, false };
    format(access, true, &text);
    PROMISE(!text.full);
    check_line(&text);
    rill_text cut = { guard_put(&end, memory, text.used / 2), text.used / 2, 0, false };
    format(access, true, &cut);
    PROMISE(cut.full && cut.used <= cut.size);
    text = (rill_text){ memory, sizeof memory, 0, false };
    format(access, false, &text);
    check_line(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rill_span fields[8];
    if (end.map == NULL)
        guard_init(&end, sizeof memory);
    for (size_t i = 0; i < 8; i++)
        fields[i] = take(&data, &size);
    const struct log_part parts[] = { { fields[0], 7, "done" }, { fields[1], -1, NULL } };
    const struct log_access access = { .time = (rill_time)size * RILL_SEC(100000),
                                       .client = fields[0],
                                       .method = fields[1],
                                       .host = fields[2],
                                       .target = fields[3],
                                       .proto = fields[4],
                                       .referer = fields[5],
                                       .agent = fields[6],
                                       .route = fields[7],
                                       .status = 200,
                                       .parts = parts,
                                       .part_count = 2 };
    check_format(logline_json, &access);
    check_format(logline_combined, &access);
    rill_text text = { memory, sizeof memory, 0, false };
    logline_error(access.time, LOG_INFO, 1, 2, "fuzz", fields[0], true, &text);
    PROMISE(!text.full && memchr(text.at, '\n', text.used) == text.at + text.used - 1);
    return 0;
}
