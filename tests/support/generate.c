/* generate.c - generators that tests drive. */
#include "tests/support/generate.h"

int count(void *arg)
{
    for (intptr_t i = 1; i <= *(int *)arg; i++) {
        int r = rill_yield(number(i), NULL);
        if (r < 0)
            return r;
    }
    return rill_gen_return(number(99));
}

int ignore_closes(void *arg)
{
    for (int closes = *(int *)arg; closes > 0;)
        closes -= rill_yield(number(2), NULL) == -ESHUTDOWN;
    trace('e');
    return 0;
}

int delegate(void *arg)
{
    void *value = NULL;
    int r = rill_yield_from(*(rill_gen **)arg, &value);
    trace(r == 0 ? 'v' : r == -ESHUTDOWN ? 's' : 'f');
    return r < 0 ? r : rill_gen_return(value);
}

int delegation(rill_coro inner, rill_gen **ret_inner, rill_gen **ret_outer)
{
    int r = rill_gen_new_of(inner, ret_inner);
    return r < 0 ? r : rill_gen_new(delegate, ret_inner, ret_outer);
}
