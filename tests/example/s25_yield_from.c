/* s25_yield_from.c - yielding a whole list, and yielding from a generator of its members. */
#include <rill.h>

#include <stdio.h>

static const char *titles[] = { "Python", "Java", "C++", NULL };

static int generator1(void *arg)
{
    return rill_yield(arg, NULL);
}

static int members(void *arg)
{
    int rc = 0;
    for (const char **title = arg; *title != NULL && rc == 0; title++)
        rc = rill_yield((void *)(uintptr_t)*title, NULL);
    return rc;
}

static int generator2(void *arg)
{
    rill_gen *sub;
    int rc = rill_gen_new(members, arg, &sub);
    if (rc < 0)
        return rc;
    rc = rill_yield_from(sub, NULL);
    rill_gen_free(sub);
    return rc;
}

static void show_list(const char *const *title)
{
    printf("生成器1: [");
    for (const char *between = ""; *title != NULL; title++, between = ", ")
        printf("%s'%s'", between, *title);
    puts("]");
}

int main(void)
{
    rill_gen *first = NULL, *second = NULL;
    void *value;
    int rc = rill_gen_new(generator1, titles, &first);
    while (rc >= 0 && (rc = rill_gen_next(first, &value)) > 0)
        show_list(value);
    if (rc == 0)
        rc = rill_gen_new(generator2, titles, &second);
    while (rc >= 0 && (rc = rill_gen_next(second, &value)) > 0)
        printf("生成器2: %s\n", (const char *)value);
    rill_gen_free(first);
    rill_gen_free(second);
    return rill_exit_code(rc);
}
