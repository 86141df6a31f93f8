/* utf8.h - how long a UTF-8 character is, and whether it is one. */
#pragma once

#include <rill/base.h>

/* The octets of the character at `at`, of which `left`, at least 1, are there.
 * Returns: 1 to 4; 0: it is none by the table of RFC 3629 section 4. */
size_t utf8_size(const char *at, size_t left);
