/* auth.c - the value of an Authorization line: basic authentication. */
#include "core/client/auth.h"

#include "core/base/check.h"

#include <rill/task.h>

#include <errno.h>

/* Append up to three octets as four letters of base64 (RFC 4648). */
static void add_group(rill_text *text, const unsigned char *at, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = (unsigned)at[0] << 16;
    bits |= size > 1 ? (unsigned)at[1] << 8 : 0;
    bits |= size > 2 ? at[2] : 0;
    for (unsigned i = 0; i < 4; i++)
        rill_text_char(text, i <= size ? letters[bits >> (18 - 6 * i) & 63] : '=');
}

int rill__auth_basic(rill_arena *arena, rill_span user, rill_span password, rill_span *ret_value)
{
    if (user.size > 0 && memchr(user.at, ':', user.size) != NULL)
        return rill_fail(-EINVAL, "a colon in the user's name");
    size_t plain_size = user.size + 1 + password.size, size = 6 + (plain_size + 2) / 3 * 4;
    rill_text plain = { rill_arena_alloc(arena, plain_size), plain_size, 0, false };
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    if (plain.at == NULL || text.at == NULL)
        return -ENOMEM;
    rill_text_add(&plain, user);
    rill_text_char(&plain, ':');
    rill_text_add(&plain, password);
    rill_text_add(&text, RILL_SPAN("Basic "));
    for (size_t i = 0; i < plain.used; i += 3)
        add_group(&text, (const unsigned char *)plain.at + i,
                  plain.used - i < 3 ? plain.used - i : 3);
    CHECK(!text.full);
    *ret_value = (rill_span){ text.at, text.used };
    return 0;
}
