/* check.h - invariants that abort when broken, and container_of. */
#pragma once

#include <stddef.h>

/* A broken invariant is a bug of ours: abort in every build, saying where. Bad input is never
 * checked this way; it has an error code. */
#define CHECK(condition)                          \
    (__builtin_expect(!!(condition), 1) ? (void)0 \
                                        : rill__check_failed(__FILE__, __LINE__, #condition))

/* The same for checks that cost time: debug builds only. */
#if defined(RILL_CHECK_SLOW) && RILL_CHECK_SLOW
#define CHECK_SLOW(condition) CHECK(condition)
#else
#define CHECK_SLOW(condition) ((void)sizeof(condition))
#endif

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

__attribute__((noreturn, cold)) void rill__check_failed(const char *file, int line,
                                                        const char *condition);
