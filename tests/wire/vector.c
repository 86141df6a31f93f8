/* vector.c - request vectors from text. See vector.h. */
#include "tests/wire/vector.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SIZE = 4096, MESSAGE_MAX = 256 << 10 };

/* What is being read. */
struct reader {
    const char *file;
    char stem[64];
    unsigned line;
    struct vector *vector; /* NULL before the first */
    char message[MESSAGE_MAX];
    rill_text text; /* over `message` */
};

static int bad(const struct reader *reader, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", reader->file, reader->line, what);
    return -EINVAL;
}

static rill_span copy_of(rill_span from)
{
    char *copy = rill_alloc(from.size + 1);
    if (copy == NULL)
        return (rill_span){ NULL, 0 };
    if (from.size > 0)
        memcpy(copy, from.at, from.size);
    copy[from.size] = 0;
    return (rill_span){ copy, from.size };
}

/* The octet behind a backslash at *p, and *p behind it.   Returns: it; -EINVAL. */
static int escape(const char **p)
{
    static const char names[] = "rnts\\", octets[] = "\r\n\t \\";
    uint64_t value;
    const char *at = strchr(names, **p);
    if (**p == 'x' && rill_parse_hex((rill_span){ *p + 1, strnlen(*p + 1, 2) }, 255, &value) == 0) {
        *p += 3;
        return (int)value;
    }
    if (**p == 0 || at == NULL)
        return -EINVAL;
    (*p)++;
    return octets[at - names];
}

static int unescape(const char *p, rill_text *text)
{
    while (*p != 0) {
        int octet = (uint8_t)*p++;
        if (octet == '\\' && (octet = escape(&p)) < 0)
            return -EINVAL;
        rill_text_char(text, (char)octet);
    }
    return text->full ? -E2BIG : 0;
}

static struct expected *answer_of(const struct reader *reader)
{
    struct vector *vector = reader->vector;
    return vector->answer_count > 0 ? &vector->answers[vector->answer_count - 1] : NULL;
}

/* --- Lines --- */

static int take_number(const char *text, unsigned *ret_number)
{
    uint64_t value;
    if (rill_parse_u64(rill_span_of(text), 1 << 20, &value) < 0)
        return -EINVAL;
    *ret_number = (unsigned)value;
    return 0;
}

static int take_repeat(struct reader *reader, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t count;
    int r = rill_parse_u64((rill_span){ text, digits }, MESSAGE_MAX, &count);
    if (r < 0 || text[digits] != ' ')
        return -EINVAL;
    for (uint64_t i = 0; i < count && r == 0; i++)
        r = unescape(text + digits + 1, &reader->text);
    return r;
}

static int take_status(struct reader *reader, const char *text)
{
    unsigned status;
    if (reader->vector->answer_count == EXPECTED_MAX || take_number(text, &status) < 0)
        return -EINVAL;
    reader->vector->answers[reader->vector->answer_count++].status = (int)status;
    return 0;
}

static int take_field(struct expected *answer, const char *text, bool lacks)
{
    rill_span whole = rill_span_of(text);
    const char *colon = strstr(text, ": ");
    if (answer == NULL || answer->has_count == HAS_MAX || (!lacks && colon == NULL))
        return -EINVAL;
    struct expected_field *field = &answer->has[answer->has_count++];
    field->name = copy_of((rill_span){ text, lacks ? whole.size : (size_t)(colon - text) }).at;
    field->value = lacks ? NULL : copy_of(rill_span_of(colon + 2)).at;
    return 0;
}

static int take_body(struct expected *answer, const char *text)
{
    char memory[LINE_MAX_SIZE];
    rill_text body = { memory, sizeof memory, 0, false };
    if (answer == NULL || unescape(text, &body) < 0)
        return -EINVAL;
    answer->has_body = true;
    answer->body = copy_of((rill_span){ memory, body.used });
    return 0;
}

static int take_head(struct expected *answer)
{
    if (answer == NULL)
        return -EINVAL;
    answer->head = true;
    return 0;
}

/* A word that stands alone. */
static int take_mark(struct vector *vector, const char *word)
{
    if (strcmp(word, "end") == 0)
        vector->end = true;
    else if (strcmp(word, "keep") == 0)
        vector->keep = true;
    else if (strcmp(word, "close") == 0)
        vector->close = true;
    else if (strcmp(word, "cut") == 0)
        vector->cut = true;
    else
        return -EINVAL;
    return 0;
}

/* A line about the vector at hand. */
static int take_line(struct reader *reader, const char *word, const char *text)
{
    struct vector *vector = reader->vector;
    if (strcmp(word, "send") == 0)
        return unescape(text, &reader->text);
    if (strcmp(word, "line") == 0) {
        int r = unescape(text, &reader->text);
        rill_text_add(&reader->text, RILL_SPAN("\r\n"));
        return r;
    }
    if (strcmp(word, "repeat") == 0)
        return take_repeat(reader, text);
    if (strcmp(word, "status") == 0)
        return take_status(reader, text);
    if (strcmp(word, "has") == 0 || strcmp(word, "lacks") == 0)
        return take_field(answer_of(reader), text, *word == 'l');
    if (strcmp(word, "body") == 0)
        return take_body(answer_of(reader), text);
    if (strcmp(word, "head") == 0)
        return take_head(answer_of(reader));
    if (strcmp(word, "rule") == 0)
        return take_number(text, &vector->rule);
    return take_mark(vector, word);
}

static int end_vector(struct reader *reader)
{
    struct vector *vector = reader->vector;
    if (vector == NULL)
        return 0;
    vector->message = copy_of((rill_span){ reader->message, reader->text.used });
    reader->text.used = 0;
    if (vector->message.size == 0 || vector->keep + vector->close + vector->cut != 1 ||
        (vector->answer_count == 0 && vector->keep))
        return bad(reader, "the vector above lacks a message, an answer, or its end");
    return 0;
}

static int begin_vector(struct reader *reader, const char *name, struct vector *vectors,
                        size_t *count)
{
    int r = end_vector(reader);
    if (r < 0 || *count == VECTORS_MAX || *name == 0)
        return r < 0 ? r : bad(reader, "no name, or too many vectors");
    struct vector *vector = reader->vector = &vectors[(*count)++];
    *vector = (struct vector){ .file = reader->file, .line = reader->line };
    snprintf(vector->name, sizeof vector->name, "%s.%s", reader->stem, name);
    return 0;
}

int vectors_read(const char *path, struct vector *vectors, size_t *count)
{
    static struct reader reader;
    char line[LINE_MAX_SIZE];
    const char *name = strrchr(path, '/');
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    reader = (struct reader){ .file = copy_of(rill_span_of(path)).at };
    reader.text = (rill_text){ reader.message, sizeof reader.message, 0, false };
    snprintf(reader.stem, sizeof reader.stem, "%s", name != NULL ? name + 1 : path);
    reader.stem[strcspn(reader.stem, ".")] = 0;
    int r = 0;
    while (r == 0 && fgets(line, sizeof line, file) != NULL) {
        reader.line++;
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0)
            continue;
        size_t word = strcspn(line, " ");
        const char *text = line[word] == ' ' ? line + word + 1 : "";
        line[word] = 0;
        if (strcmp(line, "vector") == 0)
            r = begin_vector(&reader, text, vectors, count);
        else if (reader.vector == NULL || take_line(&reader, line, text) < 0)
            r = bad(&reader, "not understood");
    }
    fclose(file);
    return r < 0 ? r : end_vector(&reader);
}
