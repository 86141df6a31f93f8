/* print.h - lines of text for people: as wide as the terminal, coloured there, and safe to look at. */
#pragma once

#include <rill/text.h>

#include <stdio.h>

enum { PRINT_LINE = 4096 };

/* The standard output, as it is. */
struct print {
    size_t width;  /* columns of a line; 0: as long as it wants to be */
    size_t height; /* lines of the terminal; 0: it is none */
    bool colour, utf8;
};

enum print_colour { PLAIN, DIM, GREEN, YELLOW, RED, BOLD };

/* Look at standard output, and at COLUMNS, NO_COLOR, TERM and the locale. */
void print_open(struct print *print);

/* Append `text`, in which a terminal may not be told anything: control characters, broken or invisible ones
 * become \xNN. With `width` it is cut or filled up to so many columns. */
void print_clean(const struct print *print, rill_text *line, const char *text, size_t width);

/* Write `line`, whose texts print_clean made, cut to the width, and begin a new one. */
void print_line(const struct print *print, rill_text *line, enum print_colour colour);

/* Append a span of time: "12 ms", "3.250 s". */
void print_span(rill_text *text, int64_t span);
