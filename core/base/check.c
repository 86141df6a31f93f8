/* check.c - the end of a process whose invariant is broken. */
#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void rill__check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "rill: %s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
