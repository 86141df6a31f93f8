/* chunk.h - the decoder of the chunked coding, called by the body reader. */
#pragma once

#include <rill/http.h>

/* rill_http_body_take for a chunked body that is neither done nor refused; size is above 0. */
int64_t rill__http_chunk_take(rill_http_body *body, const char *at, size_t size,
                              rill_http_piece *ret_piece);
