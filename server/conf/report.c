/* report.c - findings of a reading: formatted, kept in the order of the file, bounded.
 *
 * Passes find things in their own order, so a finding is inserted where its place belongs; of more
 * than a report holds, the first of the file stay. Nothing is printed here. */
#include "server/conf/read.h"

#include <stdio.h>

enum { NAME_MAX_COMPARED = 32, EDITS_MAX = 2, FILE_SHOWN = 400 };

int conf_place_compare(struct conf_place a, struct conf_place b)
{
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column == b.column ? 0 : a.column < b.column ? -1 : 1;
}

struct conf_quoted conf_quote(rill_span text)
{
    struct conf_quoted quoted;
    size_t size = text.size;
    if (size >= sizeof quoted.text) {
        size = sizeof quoted.text - sizeof "...";
        while (size > 0 && ((unsigned char)text.at[size] & 0xc0) == 0x80)
            size--; /* not inside a character */
    }
    if (size > 0)
        memcpy(quoted.text, text.at, size);
    memcpy(quoted.text + size, "...", size < text.size ? sizeof "..." : 0);
    if (size == text.size)
        quoted.text[size] = 0;
    for (size_t i = 0; i < size; i++)
        if (quoted.text[i] == 0)
            quoted.text[i] = '?';
    return quoted;
}

/* The end of a path so long that no room would be left for what is wrong with the file. */
static const char *end_of(const char *file)
{
    size_t size = strlen(file);
    if (size <= FILE_SHOWN)
        return file;
    file += size - FILE_SHOWN;
    while (((unsigned char)*file & 0xc0) == 0x80)
        file++; /* not inside a character */
    return file;
}

/* One finding is one line, whatever octets its values hold. */
static RILL_PRINTF(3, 0) void write_finding(struct conf_finding *finding, const char *file,
                                            const char *format, va_list args)
{
    const char *word = finding->severity == CONF_ERROR ? "error" : "notice";
    const char *shown = end_of(file);
    rill_text text = { finding->text, sizeof finding->text, 0, false };
    rill_text_fmt(&text, "%s%s", shown == file ? "" : "...", shown);
    if (finding->place.line > 0)
        rill_text_fmt(&text, ":%u:%u", finding->place.line, finding->place.column);
    rill_text_fmt(&text, ": %s: ", word);
    vsnprintf(text.at + text.used, text.size - text.used, format, args);
    for (char *at = finding->text; *at != 0; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
}

static RILL_PRINTF(4, 0) void add(struct conf_report *report, const char *file,
                                  struct conf_finding head, const char *format, va_list args)
{
    size_t at = report->count;
    report->errors += head.severity == CONF_ERROR;
    while (at > 0 && conf_place_compare(head.place, report->findings[at - 1].place) < 0)
        at--;
    if (report->count == CONF_ERRORS_MAX)
        report->more++;
    else
        report->count++;
    if (at == CONF_ERRORS_MAX)
        return;
    struct conf_finding *finding = &report->findings[at];
    memmove(finding + 1, finding, (report->count - at - 1) * sizeof *finding);
    finding->place = head.place;
    finding->severity = head.severity;
    write_finding(finding, file, format, args);
}

void conf_report_add(struct conf_report *report, const char *file, enum conf_severity severity,
                     struct conf_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(report, file, (struct conf_finding){ .place = place, .severity = severity }, format, args);
    va_end(args);
}

void conf_error(struct conf_read *read, struct conf_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(read->report, read->file, (struct conf_finding){ .place = place }, format, args);
    va_end(args);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(rill_span a, rill_span b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t change = corner + (a.at[i - 1] != b.at[j - 1]);
            corner = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.size];
}

const char *conf_nearest(rill_span name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t edits = EDITS_MAX + 1;
    if (name.size > NAME_MAX_COMPARED)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        rill_span candidate = rill_span_of(names[i]);
        if (candidate.size > NAME_MAX_COMPARED)
            continue;
        size_t found = distance(name, candidate);
        /* A name of two letters is two edits away from every other one of two. */
        if (found < edits && found < candidate.size) {
            nearest = names[i];
            edits = found;
        }
    }
    return nearest;
}
