/* auth.h - the value of an Authorization line. */
#pragma once

#include <rill/mem.h>
#include <rill/text.h>

/* Basic authentication (RFC 7617), in the arena.
 * Returns: 0 and the value; -EINVAL (a colon in the name); -ENOMEM. */
int rill__auth_basic(rill_arena *arena, rill_span user, rill_span password, rill_span *ret_value);
