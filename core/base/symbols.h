/* symbols.h - the names of functions of this process, for people who read a backtrace. */
#pragma once

#include <rill/text.h>

/* Append the name of a function, its file, and where it lies in there. */
void rill__symbols_add(rill_text *text, const void *function);

/* Write one line for each of `count` return addresses, as backtrace_symbols_fd(3) does, but with the names of
 * functions that are not exported, too. It allocates nothing, so a signal handler may call it. */
void rill__symbols_write(void *const frames[], int count, int fd);
/* The same for the calls that this one is in. */
void rill__symbols_write_here(int fd);
