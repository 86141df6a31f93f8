/* chunk.c - the chunked coding, both ways (rules 51 to 55, RFC 9112 7.1).
 *
 * The decoder is a state machine over single octets of framing; data are passed over in one step and
 * stay where they are. It keeps nothing of the framing but counts, so extensions and trailers cost no
 * memory, and a split between any two octets changes nothing. Trailer octets are checked here, by
 * the rules and limits of the head, and handed out for who wants to read them. */
#include "core/http/chunk.h"

#include "core/http/scan.h"

#include <errno.h>

#define DIGITS_MAX    16
#define EXTENSION_MAX 4096
#define OVERHEAD_FREE (100u << 10)

/* The limits of RILL_HTTP_LIMITS, for trailers. */
#define LINE_MAX_SIZE    8192
#define TRAILER_MAX_SIZE 16384
#define TRAILER_MAX      100

enum stage {
    SIZE,      /* in the digits of a size */
    EXT_NAME,  /* behind a semicolon, before the first octet of a name */
    EXT_REST,  /* within the name */
    EXT_VALUE, /* behind the equals sign */
    EXT_TOKEN, /* within a value */
    QUOTED,    /* within a quoted value */
    ESCAPED,   /* behind a backslash in it */
    EXT_END,   /* behind the quote that ends it */
    SIZE_LF,   /* at the LF of the size line */
    DATA_CR,   /* at the CR behind data */
    DATA_LF,
    DATA,
    TRAILER_LINE,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    TRAILER_END, /* at the LF of the empty line */
};

static int refuse(rill_http_body *body, unsigned status, unsigned rule)
{
    body->refuse_status = (uint16_t)status;
    body->refuse_rule = (uint16_t)rule;
    return status == 413 ? -EMSGSIZE : -EBADMSG;
}

/* --- Size lines --- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size is complete (rule 51). */
static int size_end(rill_http_body *body, enum stage next)
{
    if (body->digits == 0 || body->left > INT64_MAX)
        return refuse(body, 400, 51);
    if (body->left > body->size_max - body->total)
        return refuse(body, 413, 0);
    body->stage = (uint8_t)next;
    return 0;
}

static int size_octet(rill_http_body *body, char c)
{
    int digit = digit_of(c);
    if (digit >= 0) {
        if (body->digits == DIGITS_MAX)
            return refuse(body, 400, 51);
        body->digits++;
        body->left = body->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (c == ';')
        return size_end(body, EXT_NAME);
    if (c == '\r')
        return size_end(body, SIZE_LF);
    return refuse(body, 400, c == '\n' ? 2 : 51);
}

/* The octet behind a complete extension, or within one that may end here. */
static int extension_end(rill_http_body *body, char c)
{
    if (c != ';' && c != '\r')
        return refuse(body, 400, c == '\n' ? 2 : 53);
    body->stage = c == ';' ? EXT_NAME : SIZE_LF;
    return 0;
}

/* chunk-ext without the white space that the grammar calls bad (rule 53). */
static int extension_octet(rill_http_body *body, char c)
{
    unsigned class = class_of(&c);
    if (c != '\r' && ++body->extension > EXTENSION_MAX)
        return refuse(body, 400, 53);
    switch (body->stage) {
    case EXT_NAME:
    case EXT_VALUE:
        if (body->stage == EXT_VALUE && c == '"')
            body->stage = QUOTED;
        else if (class & CLASS_TOKEN)
            body->stage++;
        else
            return refuse(body, 400, c == '\n' ? 2 : 53);
        return 0;
    case EXT_REST:
    case EXT_TOKEN:
        if (class & CLASS_TOKEN)
            return 0;
        if (body->stage == EXT_TOKEN || c != '=')
            return extension_end(body, c);
        body->stage = EXT_VALUE;
        return 0;
    case EXT_END: return extension_end(body, c);
    default: /* QUOTED, ESCAPED */
        if (!(class & CLASS_VALUE))
            return refuse(body, 400, c == '\n' ? 2 : 53);
        if (body->stage == ESCAPED)
            body->stage = QUOTED;
        else if (c == '"' || c == '\\')
            body->stage = c == '"' ? EXT_END : ESCAPED;
        return 0;
    }
}

/* One octet of framing outside trailers.   Returns: 0; -EBADMSG; -EMSGSIZE. */
static int framing_octet(rill_http_body *body, char c)
{
    body->overhead++;
    if (body->overhead > OVERHEAD_FREE + body->total / 16)
        return refuse(body, 400, 54);
    switch (body->stage) {
    case SIZE: return size_octet(body, c);
    case SIZE_LF:
        if (c != '\n')
            return refuse(body, 400, 52);
        body->stage = body->left > 0 ? DATA : TRAILER_LINE;
        return 0;
    case DATA_CR:
    case DATA_LF:
        if (c != (body->stage == DATA_CR ? '\r' : '\n'))
            return refuse(body, 400, c == '\n' ? 2 : 52);
        body->stage = body->stage == DATA_CR ? DATA_LF : SIZE;
        body->digits = 0;
        return 0;
    default: return extension_octet(body, c);
    }
}

/* --- Trailers --- */

/* The first octet of a trailer line. */
static int trailer_start(rill_http_body *body, char c)
{
    if (c == '\r') {
        body->stage = TRAILER_END;
        return 0;
    }
    if (c == ' ' || c == '\t')
        return refuse(body, 400, body->trailers == 0 ? 4 : 40);
    if (c != '\n' && body->trailers++ == TRAILER_MAX)
        return refuse(body, 431, 10);
    if (!(class_of(&c) & CLASS_TOKEN))
        return refuse(body, 400, c == '\n' ? 2 : 37);
    body->line = body->trailer_size;
    body->stage = TRAILER_NAME;
    return 0;
}

static int trailer_text(rill_http_body *body, char c)
{
    unsigned class = class_of(&c);
    bool named = body->stage == TRAILER_VALUE;
    if (c != '\r' && (body->trailer_size >= body->line + LINE_MAX_SIZE ||
                      body->trailer_size >= TRAILER_MAX_SIZE - 2))
        return refuse(body, 431, 10);
    if (class & (named ? CLASS_VALUE : CLASS_TOKEN))
        return 0;
    if (named && c == '\r')
        body->stage = TRAILER_LF;
    else if (!named && c == ':')
        body->stage = TRAILER_VALUE;
    else if (c == '\n')
        return refuse(body, 400, 2);
    else
        return refuse(body, 400, named ? 39 : c == ' ' || c == '\t' ? 36 : 37);
    return 0;
}

static int trailer_octet(rill_http_body *body, char c)
{
    int r;
    switch (body->stage) {
    case TRAILER_LINE: r = trailer_start(body, c); break;
    case TRAILER_NAME:
    case TRAILER_VALUE: r = trailer_text(body, c); break;
    default: /* TRAILER_LF, TRAILER_END */
        if (c != '\n')
            return refuse(body, 400, 3);
        body->done = body->stage == TRAILER_END;
        body->stage = TRAILER_LINE;
        r = 0;
        break;
    }
    body->trailer_size++;
    return r;
}

/* --- The decoder --- */

int64_t rill__http_chunk_take(rill_http_body *body, const char *at, size_t size,
                              rill_http_piece *ret_piece)
{
    const char *p = at, *end = at + size;
    int r = 0;
    while (p < end && body->stage < DATA && r == 0)
        r = framing_octet(body, *p++);
    const char *start = p;
    rill_http_piece_kind kind = RILL_HTTP_PIECE_NONE;
    if (p < end && body->stage == DATA && r == 0) {
        size_t part = (size_t)(end - p) < body->left ? (size_t)(end - p) : (size_t)body->left;
        kind = RILL_HTTP_PIECE_DATA;
        p += part;
        body->total += part;
        body->left -= part;
        if (body->left == 0)
            body->stage = DATA_CR;
    } else if (p < end && r == 0) {
        kind = RILL_HTTP_PIECE_TRAILER;
        while (p < end && !body->done && r == 0)
            r = trailer_octet(body, *p++);
    }
    if (r < 0)
        return r;
    *ret_piece = (rill_http_piece){ kind, { start, (size_t)(p - start) } };
    return p - at;
}

void rill_http_write_chunk(rill_text *text, uint64_t size)
{
    rill_text_hex(text, size, 0);
    rill_http_write_end(text);
}
