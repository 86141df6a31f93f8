/* lookup.h - what tests of names share: a world for them, a resolver that asks the test's own servers, lists. */
#pragma once

#include "tests/support/expect.h"
#include "tests/support/names.h"

#include <stdio.h>

/* Names are looked up in a world without time, so that silence costs none. */
static const rill_sim_opts world = { .seed = 1 };
static const rill_loop_opts simulated = { .sim = &world };

static const rill_time patience = RILL_MS(500); /* with a silent server */

#define SIMULATED(function) SCENARIO_WITH(function, &simulated)
/* One that takes so long that the torture would call it stuck. */
#define SIMULATED_ONCE(function)                                                \
    {                                                                           \
        .name = #function, .main = (function), .opts = &simulated, .once = true \
    }

#define OWNED_LIST __attribute__((cleanup(drop_list)))

static inline void drop_list(rill_addrinfo **list)
{
    rill_addrinfo_free(*list);
}

static inline int ask_at(const char *servers)
{
    rill_dns_opts opts = { .hosts = "/nonexistent/hosts",
                           .resolv_conf = "/nonexistent/resolv",
                           .servers = servers,
                           .timeout = patience };
    return rill_dns_configure(&opts);
}

static inline int begin(void)
{
    int r = names_start(&names);
    return r < 0 ? r : ask_at(names.at);
}

/* Whether `list` is `wanted`: texts with a blank between. */
static inline bool is_list(const rill_addrinfo *list, const char *wanted)
{
    char memory[4096];
    rill_text text = { memory, sizeof memory, 0, false };
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            rill_text_char(&text, ' ');
        rill_addr_format(&list->at[i], &text);
    }
    if (strcmp(rill_text_end(&text), wanted) == 0)
        return true;
    fprintf(stderr, "the list is %s\n", memory);
    return false;
}

#define EXPECT_ADDRESSES(host, family_, wanted)                                                \
    do {                                                                                       \
        OWNED_LIST rill_addrinfo *list_ = NULL;                                                \
        EXPECT_IS(rill_getaddrinfo((host), 80, &(rill_dns_hints){ (family_), 0 }, &list_), 0); \
        EXPECT(is_list(list_, (wanted)));                                                      \
    } while (0)

#define EXPECT_NONE(host, wanted)                                        \
    do {                                                                 \
        rill_addrinfo *list_ = NULL;                                     \
        EXPECT_IS(rill_getaddrinfo((host), 80, NULL, &list_), (wanted)); \
        EXPECT(list_ == NULL);                                           \
    } while (0)
