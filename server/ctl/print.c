/* print.c - lines of text for people: as wide as the terminal, coloured there, and safe to look at.
 *
 * Names come from a process that may wish us ill: what a terminal would obey is shown as its octets. Columns
 * are counted by characters; those of two columns count as two. */
#include "server/ctl/print.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { width_least = 20 };

static size_t from_environment(const char *name)
{
    uint64_t value;
    const char *text = getenv(name);
    if (text == NULL || rill_parse_u64(rill_span_of(text), 10000, &value) < 0)
        return 0;
    return (size_t)value;
}

void print_open(struct print *print)
{
    struct winsize size = { 0 };
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool terminal = isatty(STDOUT_FILENO) == 1;
    setlocale(LC_CTYPE, "");
    if (terminal)
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t columns = from_environment("COLUMNS"), lines = from_environment("LINES");
    *print = (struct print){
        .width = columns > 0 ? columns : size.ws_col,
        .height = !terminal         ? 0
                  : lines > 0       ? lines
                  : size.ws_row > 0 ? size.ws_row
                                    : 24,
        .colour = terminal && term != NULL && strcmp(term, "dumb") != 0 &&
                  (no_colour == NULL || no_colour[0] == 0),
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
    };
    if (print->width > 0 && print->width < width_least)
        print->width = width_least;
}

/* The character at the begin of `at`: how many octets and columns it has. False: it is not to be shown. */
static bool look_at(const struct print *print, const char *at, size_t size, size_t *ret_octets,
                    size_t *ret_columns)
{
    wchar_t wide;
    mbstate_t state = { 0 };
    *ret_octets = *ret_columns = 1;
    if ((unsigned char)at[0] < 0x80)
        return (unsigned char)at[0] >= 0x20 && at[0] != 0x7f;
    if (!print->utf8)
        return false;
    size_t octets = mbrtowc(&wide, at, size, &state);
    int columns = octets > 0 && octets <= size ? wcwidth(wide) : -1;
    if (columns <= 0)
        return false;
    *ret_octets = octets;
    *ret_columns = (size_t)columns;
    return true;
}

/* Append one character, or the octet that is none; how many columns, 0: they would be too many. */
static size_t add_one(const struct print *print, rill_text *line, const char **at, size_t left,
                      size_t most)
{
    size_t octets, columns;
    bool shown = look_at(print, *at, left, &octets, &columns);
    if (!shown)
        columns = 4;
    if (columns > most)
        return 0;
    if (shown)
        rill_text_add(line, (rill_span){ *at, octets });
    else
        rill_text_fmt(line, "\\x%02x", (unsigned char)**at);
    *at += shown ? octets : 1;
    return columns;
}

void print_clean(const struct print *print, rill_text *line, const char *text, size_t width)
{
    size_t used = 0, added;
    const char *end = text + strlen(text);
    while (text < end) {
        added =
            add_one(print, line, &text, (size_t)(end - text), width > 0 ? width - used : SIZE_MAX);
        if (added == 0)
            break;
        used += added;
    }
    while (used++ < width)
        rill_text_char(line, ' ');
}

/* Where `line` has to be cut so that it has at most `width` columns. */
static size_t cut_at(const struct print *print, const char *line, size_t size)
{
    size_t at = 0, used = 0, octets, columns;
    while (at < size) {
        if (!look_at(print, line + at, size - at, &octets, &columns))
            octets = columns = 1;
        if (used + columns > print->width)
            break;
        used += columns;
        at += octets;
    }
    return at;
}

void print_line(const struct print *print, rill_text *line, enum print_colour colour)
{
    static const char *const codes[] = { "",         "\033[2m",  "\033[32m",
                                         "\033[33m", "\033[31m", "\033[1m" };
    size_t size = line->used;
    while (size > 0 && line->at[size - 1] == ' ')
        size--;
    if (print->width > 0)
        size = cut_at(print, line->at, size);
    bool coloured = print->colour && colour != PLAIN;
    if (coloured)
        fputs(codes[colour], stdout);
    fwrite(line->at, 1, size, stdout);
    if (coloured)
        fputs("\033[0m", stdout);
    putchar('\n');
    line->used = 0;
}

void print_span(rill_text *text, int64_t span)
{
    int64_t ms = (span < 0 ? -span : span) / 1000000;
    if (ms < 1000)
        rill_text_fmt(text, "%lld ms", (long long)ms);
    else
        rill_text_fmt(text, "%lld.%03d s", (long long)(ms / 1000), (int)(ms % 1000));
}
