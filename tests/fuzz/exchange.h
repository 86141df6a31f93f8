/* exchange.h - a connection's worth of messages, read in a given split and told as text. */
#pragma once

#include "tests/support/message.h"

#include <stdint.h>

/* What was read: every head, the data and trailers of every body, and how it ended. */
typedef struct exchange {
    char *text;
    size_t size;
    unsigned messages; /* complete ones, bodies included */
} exchange;

/* Read the octets as a peer's side of a connection. `seed` chooses the splits: 0 for none, 1 for
 * one octet at a time, anything else for random ones. `each` is called for every head.
 * The text is valid until the same `slot` (0 or 1) is used again. */
exchange exchange_read(int slot, int kind, rill_http_method method, const uint8_t *data,
                       size_t size, uint64_t seed, void (*each)(const rill_http_message *head));

/* Read in several splits.   Promise: all tell the same. */
void exchange_check(int kind, rill_http_method method, const uint8_t *data, size_t size,
                    void (*each)(const rill_http_message *head));
