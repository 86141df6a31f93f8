/* decode.h - compressed bodies made plain, piece by piece: gzip, deflate, br, zstd. */
#pragma once

#include <rill/text.h>

/* What a request says that it takes. */
#define RILL__DECODE_ACCEPT "gzip, deflate, br, zstd"

struct rill__decoder;

/* A decoder for a Content-Encoding.   Args: `growth` is how many times the octets may become more, above 1 MiB.
 * Returns: 0 and the decoder, or NULL (the coding is none of ours, or none at all); -ENOMEM. */
int rill__decoder_new(rill_span coding, unsigned growth, struct rill__decoder **ret_decoder);

/* Decode what it takes of `in` to `buf`, of at least one octet. It has more to say without any input as long as
 * `buf` was filled to its end.
 * Returns: the octets written, perhaps 0; -EPROTO (broken); -EMSGSIZE (it grows too much); -ENOMEM. *ret_used
 * is set in any case. */
int rill__decode(struct rill__decoder *decoder, rill_span in, size_t *ret_used, void *buf,
                 size_t size);

/* Whether the body may end here: it is whole, or nothing of it came. */
bool rill__decoder_is_whole(const struct rill__decoder *decoder);

/* Append the lines of the three libraries. */
void rill__decoder_add_versions(rill_text *text);

void rill__decoder_free(struct rill__decoder *decoder);
