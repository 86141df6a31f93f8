/* client.h - HTTP/1.1 from the asking side: send a request to an address, read its response.
 *
 * An exchange is one request and one response on a connection. The response is read by the strict
 * parser of <rill/http.h>; its body comes as the caller asks for it, so a fast server waits for a slow
 * reader. No call has a time limit of its own: put it into a timeout scope. A cancel ends an
 * exchange at any point, and the server sees its connection reset. A pool keeps connections for
 * the next exchange.
 *
 *     rill_http_exchange_opts opts = { .address = &address,
 *                                      .host = RILL_SPAN("127.0.0.1:9001"),
 *                                      .target = RILL_SPAN("/user") };
 *     rill_http_response *response;
 *     rill_span body;
 *     int rc = rill_http_exchange(&opts, &response);
 *     if (rc == 0) {
 *         rc = rill_http_read_all(response, 1 << 20, &body);
 *         if (rc == 0) printf("%d %.*s\n", rill_http_status(response), (int)body.size, body.at);
 *         rill_http_close(response);
 *     }
 */
#pragma once

#include <rill/base.h>
#include <rill/text.h>
#include <rill/time.h>

typedef struct rill_addr rill_addr;
typedef struct rill_http_message rill_http_message;
typedef struct rill_http_pool rill_http_pool;
typedef struct rill_http_response rill_http_response;

/* A field line of a request. */
typedef struct rill_http_line {
    rill_span name, value;
} rill_http_line;

/* What to ask whom. `address`, `target` and `host` are needed. */
typedef struct rill_http_exchange_opts {
    const rill_addr *address;
    rill_span method; /* a token; empty: GET. The request has no body. */
    rill_span target; /* as it goes on the wire: a path and perhaps a query, percent-encoded */
    rill_span host;   /* of the Host field; with the port if it is not 80 */
    const rill_http_line *lines; /* further fields, in this order */
    size_t line_count;
    rill_http_pool *pool; /* NULL: a connection for this exchange alone */
} rill_http_exchange_opts;

/* All zero: the defaults. */
typedef struct rill_http_pool_opts {
    size_t idle_max;     /* connections kept, over all addresses; 32 */
    rill_time idle_time; /* how long one is kept without use; 30 s */
} rill_http_pool_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** Send a request and read the head of its response. Interim responses (1xx) are skipped. With a pool
 *  GET, HEAD, OPTIONS, PUT and DELETE take the connection to that address that was used last, if there
 *  is one; should it turn out dead before a response came, the request is sent once more, on a new one.
 *  Returns: 0 and the response, whatever its status;
 *           -EINVAL (the request cannot be written: a bad method, target or host, a line with control
 *           octets, or one that frames the message: Host, Connection, Content-Length, Transfer-Encoding);
 *           -ECANCELED; -ENOMEM;
 *           -ECONNRESET (the connection was reset, or ended before the first octet of a response);
 *           -EPROTO (the response breaks the rules or limits, or ended inside its head; it switches
 *           protocols; more than 16 interim responses);
 *           else as rill_stream_connect.
 *  Owns: gives the response; rill_http_close ends it.   Suspends: yes.
 *  Limits: 8 KiB of status line and of each field line, 32 KiB and 200 lines of fields.
 *  Like: aiohttp.ClientSession.request.   Since: 0.1 */
RILL_API int rill_http_exchange(const rill_http_exchange_opts *opts,
                                rill_http_response **ret_response) RILL_SUSPENDS;

/** The status of a response.   Returns: 200 to 599.   Like: ClientResponse.status.   Since: 0.1 */
RILL_API int rill_http_status(const rill_http_response *response);

/** The value of the first field line named `name`, in any case.
 *  Returns: the value, perhaps empty, valid until close; { NULL, 0 } if there is no such line.
 *  Like: ClientResponse.headers.get.   Since: 0.1 */
RILL_API rill_span rill_http_header(const rill_http_response *response, rill_span name);

/** Everything the head says, for the functions of <rill/http.h>.
 *  Returns: the head, valid until close.   Since: 0.1 */
RILL_API const rill_http_message *rill_http_response_head(const rill_http_response *response);

/** Read the next octets of the body, without its transfer coding.
 *  Returns: the octets read, at most `size`; 0 (the body is complete);
 *           -ECANCELED (nothing is lost: a later read goes on);
 *           -ECONNRESET; -EPROTO (the coding is broken, or the connection ended inside the body);
 *           -ENOMEM; other receive errors. After an error but -ECANCELED each call returns it again.
 *  Suspends: while nothing is there.   Like: ClientResponse.content.read.   Since: 0.1 */
RILL_API int rill_http_read(rill_http_response *response, void *buf, size_t size) RILL_SUSPENDS;

/** Read what is left of the body.
 *  Returns: 0 and the octets, followed by a zero octet, valid until close;
 *           -EMSGSIZE (more than `max`); -ENOMEM; else as rill_http_read.
 *  Suspends: until it is complete.   Like: ClientResponse.read.   Since: 0.1 */
RILL_API int rill_http_read_all(rill_http_response *response, size_t max, rill_span *ret_body)
    RILL_SUSPENDS;

/** End a response. Its connection goes to the pool if the body was read to its end and the server keeps
 *  it open, else it is closed; what was not read is dropped.
 *  Returns: nothing.   Owns: takes the response; NULL is fine.   Like: ClientResponse.release.   Since: 0.1 */
RILL_API void rill_http_close(rill_http_response *response);

/** An empty pool, for exchanges of one loop.   Args: `opts` may be NULL.
 *  Returns: 0 and the pool; -ENOMEM.   Owns: gives it; rill_http_pool_free ends it.
 *  Like: aiohttp.TCPConnector.   Since: 0.1 */
RILL_API int rill_http_pool_new(const rill_http_pool_opts *opts, rill_http_pool **ret_pool);

/** Close the connections that wait in a pool. Responses that are open can be read on; their
 *  connections are then closed, too.
 *  Returns: nothing.   Owns: takes the pool; NULL is fine.   Like: TCPConnector.close.   Since: 0.1 */
RILL_API void rill_http_pool_free(rill_http_pool *pool);

#ifdef __cplusplus
}
#endif
