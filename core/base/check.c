/* check.c - the end of a process whose invariant is broken. */
#include "core/base/check.h"

#include "core/base/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void rill__check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "rill: %s:%d: broken invariant: %s; it is here:\n", file, line, condition);
    rill__symbols_write_here(STDERR_FILENO);
    abort();
}

#ifdef RILL_PLANT
#include "core/base/plant.h"

#include <rill/text.h>

int rill__plant;

__attribute__((constructor)) static void choose_plant(void)
{
    const char *text = getenv("RILL_PLANT");
    uint64_t number;
    if (text != NULL && rill_parse_u64(rill_span_of(text), 99, &number) == 0)
        rill__plant = (int)number;
}
#endif
