/* form.c - bodies made of fields: urlencoded, and multipart/form-data (RFC 7578), as HTML's forms do it. */
#include "core/client/session.h"

#include "core/base/check.h"

#include <rill/loop.h>
#include <rill/task.h>

#include <errno.h>

enum { boundary_size = 32, part_lines = 160 };

static const char digits[] = "0123456789ABCDEF";

static void add_escape(rill_text *text, char c)
{
    rill_text_char(text, '%');
    rill_text_char(text, digits[(unsigned char)c >> 4]);
    rill_text_char(text, digits[c & 15]);
}

static struct rill__piece *make_pieces(struct rill__upload *upload, rill_arena *arena, size_t count)
{
    upload->pieces = rill_arena_alloc_zero(arena, count, sizeof *upload->pieces);
    upload->piece_count = count;
    return upload->pieces;
}

/* --- application/x-www-form-urlencoded --- */

static void add_urlencoded(rill_text *text, rill_span from)
{
    for (size_t i = 0; i < from.size; i++) {
        char c = from.at[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '*';
        if (plain)
            rill_text_char(text, c);
        else if (c == ' ')
            rill_text_char(text, '+');
        else
            add_escape(text, c);
    }
}

int rill__form_encode(const rill_http_request_opts *opts, rill_arena *arena,
                      struct rill__upload *upload)
{
    size_t size = 0;
    for (size_t i = 0; i < opts->form_count; i++)
        size += 3 * (opts->form[i].name.size + opts->form[i].value.size) + 2;
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    if (text.at == NULL || make_pieces(upload, arena, 1) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < opts->form_count; i++) {
        if (i > 0)
            rill_text_char(&text, '&');
        add_urlencoded(&text, opts->form[i].name);
        rill_text_char(&text, '=');
        add_urlencoded(&text, opts->form[i].value);
    }
    upload->pieces[0].octets = (rill_span){ text.at, text.used };
    upload->content_type = RILL_SPAN("application/x-www-form-urlencoded");
    return 0;
}

/* --- multipart/form-data --- */

/* A name in quotes, with what would end it or its line escaped. */
static void add_quoted(rill_text *text, const char *name)
{
    rill_text_char(text, '"');
    for (; *name != 0; name++) {
        if (*name == '"' || *name == '\r' || *name == '\n')
            add_escape(text, *name);
        else
            rill_text_char(text, *name);
    }
    rill_text_char(text, '"');
}

static const char *type_of(const rill_http_form_part *part)
{
    if (part->content_type != NULL || part->filename == NULL)
        return part->content_type;
    return "application/octet-stream";
}

/* The lines before a part, with the end of the part before it. */
static int write_lines(const rill_http_form_part *part, const char *boundary, bool first,
                       rill_arena *arena, rill_span *ret_lines)
{
    const char *type = type_of(part);
    size_t size = part_lines + 3 * strlen(part->name) + (type != NULL ? strlen(type) : 0) +
                  (part->filename != NULL ? 3 * strlen(part->filename) : 0);
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    rill_text_fmt(&text, "%s--%s\r\nContent-Disposition: form-data; name=", first ? "" : "\r\n",
                  boundary);
    add_quoted(&text, part->name);
    if (part->filename != NULL) {
        rill_text_add(&text, RILL_SPAN("; filename="));
        add_quoted(&text, part->filename);
    }
    rill_http_write_end(&text);
    if (type != NULL &&
        rill_http_write_field(&text, RILL_SPAN("Content-Type"), rill_span_of(type)) < 0)
        return rill_fail(-EINVAL, "the type of a form's part is no good");
    rill_http_write_end(&text);
    CHECK(!text.full);
    *ret_lines = (rill_span){ text.at, text.used };
    return 0;
}

int rill__form_parts(const rill_http_request_opts *opts, rill_arena *arena,
                     struct rill__upload *upload)
{
    uint64_t random[2];
    char boundary[boundary_size + 1];
    rill_text text = { boundary, sizeof boundary, 0, false };
    rill_random(random, sizeof random);
    rill_text_hex(&text, random[0], boundary_size / 2);
    rill_text_hex(&text, random[1], boundary_size / 2);
    rill_text_end(&text);
    struct rill__piece *piece = make_pieces(upload, arena, 2 * opts->part_count + 1);
    char *type = rill_arena_fmt(arena, "multipart/form-data; boundary=%s", boundary);
    char *last =
        rill_arena_fmt(arena, "%s--%s--\r\n", opts->part_count > 0 ? "\r\n" : "", boundary);
    if (piece == NULL || type == NULL || last == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < opts->part_count; i++) {
        const rill_http_form_part *part = &opts->parts[i];
        if (part->name == NULL)
            return rill_fail(-EINVAL, "a form's part has no name");
        int r = write_lines(part, boundary, i == 0, arena, &piece->octets);
        if (r < 0)
            return r;
        piece[1] = (struct rill__piece){ .octets = part->value, .file = part->file };
        piece += 2;
    }
    piece->octets = rill_span_of(last);
    upload->content_type = rill_span_of(type);
    return 0;
}
