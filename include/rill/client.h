/* client.h - an HTTP client session: requests to any number of servers, over connections that are kept.
 *
 * A session holds what requests share: connections, limits, headers, cookies. A request follows
 * redirects and returns when the head of the last response is there; the body comes as it is asked for,
 * so a fast server waits for a slow reader. Responses are read by the strict parser of <rill/http.h>.
 * Time is bounded by phases and in total; which of them ended a request is in the text of its -ETIME
 * (rill_last_error). A cancel ends a request at any point, and the server sees its connection reset.
 *
 *     rill_http_session *session;
 *     rill_http_response *response;
 *     rill_span body;
 *     int rc = rill_http_session_new(NULL, &session);
 *     if (rc < 0)
 *         return rc;
 *     rc = rill_http_get(session, "http://127.0.0.1:8080/", NULL, &response);
 *     if (rc == 0) {
 *         rc = rill_http_read_all(response, 1 << 20, &body);
 *         if (rc == 0) printf("%d %.*s\n", rill_http_status(response), (int)body.size, body.at);
 *         rill_http_close(response);
 *     }
 *     return rill_first_error(rc, rill_http_session_close(session));
 */
#pragma once

#include <rill/base.h>
#include <rill/text.h>
#include <rill/time.h>

typedef struct rill_addr rill_addr;
typedef struct rill_http_message rill_http_message;
typedef struct rill_http_response rill_http_response;
typedef struct rill_http_session rill_http_session;
typedef struct rill_tls_context rill_tls_context;

/* A field line of a request, or a field of a form. */
typedef struct rill_http_line {
    rill_span name, value;
} rill_http_line;

/* A name and a password for basic authentication; `user` NULL: none. */
typedef struct rill_http_auth {
    const char *user, *password; /* without a colon in `user`; a `password` of NULL is empty */
} rill_http_auth;

/* Octets of a file, read with the kernel's help while they are sent. */
typedef struct rill_http_file {
    int fd; /* the caller's, open until the request has returned */
    uint64_t offset;
    uint64_t size; /* 0: up to the end of the file */
} rill_http_file;

/* One part of a form that is sent as multipart/form-data: octets, or a file. */
typedef struct rill_http_form_part {
    const char *name;
    const char *filename;     /* NULL: the part is no file */
    const char *content_type; /* NULL: none, or application/octet-stream if there is a filename */
    rill_span value;
    const rill_http_file *file; /* in place of `value` */
} rill_http_form_part;

/* Fills in the next octets of a body.   Returns: how many, at least one; 0 at the end; -errno, which the
 * request then returns. */
typedef int rill_http_produce_fn(void *arg, void *buf, size_t size) RILL_SUSPENDS;

/* All zero: the defaults. Everything is copied, `tls` is referred to. */
typedef struct rill_http_session_opts {
    /* Bounds of time, as spans; RILL_FOREVER: none. */
    rill_time total;        /* of a request, from the call until its body is read; 5 min */
    rill_time connect;      /* to get a connection: waiting for the limits, and making it; none */
    rill_time sock_connect; /* to make a connection; 30 s */
    rill_time sock_read;    /* between octets of a response; none */
    size_t limit;           /* connections in use at once, and kept: 100; SIZE_MAX: any number */
    size_t limit_per_host;  /* in use at once to one scheme, host and port; 0: any number */
    rill_time keepalive;    /* how long one is kept without use: 15 s; below 0: not at all */
    rill_time dns_ttl;      /* how long names hold at most: as their servers say; below 0: once */
    const char *base_url;   /* absolute: what relative URLs of requests are resolved against */
    const rill_http_line *headers; /* of each request; one that gives the same name overrides it */
    size_t header_count;
    rill_http_auth auth;      /* of requests that bring none */
    int redirects;            /* followed by a request: 10; below 0: none */
    int retry;                /* below 0: never send again; else once, see rill_http_request */
    const rill_addr *address; /* where to connect to, whatever the URLs say; NULL: the URL's host */
    rill_tls_context *tls;    /* of https; NULL: one that trusts whom the system trusts */
    bool no_cookies;          /* neither kept nor sent */
    bool raw;                 /* ask for no compression, and decode none */
    unsigned inflate_max;     /* a compressed body may grow so many times, above 1 MiB; 250 */
    bool trust_env; /* proxies of http_proxy, https_proxy, all_proxy, no_proxy, as curl's */
} rill_http_session_opts;

/* What a request may say. NULL or all zero: nothing. */
typedef struct rill_http_request_opts {
    const rill_http_line *headers; /* in this order */
    size_t header_count;
    /* The body: one of these at most. */
    rill_span body;             /* octets */
    const rill_http_file *file; /* octets of a file */
    const rill_http_line *form; /* application/x-www-form-urlencoded */
    size_t form_count;
    const rill_http_form_part *parts; /* multipart/form-data */
    size_t part_count;
    rill_http_produce_fn *produce; /* chunked, as they are made; cannot be sent twice */
    void *produce_arg;
    /* Ask first (Expect: 100-continue): the body is sent when the server says so, or nothing for 1 s, and not if
     * it answers at once. */
    bool expect100;
    rill_http_auth auth;
    int redirects; /* as in the session's options; 0: as there */
    rill_time total, connect, sock_connect, sock_read; /* likewise */
    const rill_addr *address;                          /* NULL: the session's */
} rill_http_request_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** A session, for requests of one loop.   Args: `opts` may be NULL.
 *  Returns: 0 and the session; -EINVAL (base_url, auth, a header or a proxy of the environment is no
 *           good; rill_last_error says which); -ENOMEM.
 *  Owns: gives it; rill_http_session_close or _free ends it.   Suspends: no.
 *  Like: aiohttp.ClientSession.   Since: 0.1 */
RILL_API int rill_http_session_new(const rill_http_session_opts *opts,
                                   rill_http_session **ret_session);

/** End a session: requests that are under way, and bodies that are not read to their end, get -ESHUTDOWN;
 *  their responses stay to be closed. Its connections are closed.
 *  Returns: 0 when the requests have returned and the descriptors have gone; -ECANCELED, -ESRCH (not in a
 *           task): nobody waited, all else is as said.
 *  Owns: takes the session; NULL is fine.   Suspends: until then.
 *  Like: ClientSession.close.   Since: 0.1 */
RILL_API int rill_http_session_close(rill_http_session *session) RILL_SUSPENDS;

/** As rill_http_session_close, without waiting: for callbacks, and where no loop runs.
 *  Returns: nothing.   Owns: takes the session; NULL is fine.   Since: 0.1 */
RILL_API void rill_http_session_free(rill_http_session *session);

/** Send a request and read the head of its response. Interim responses (1xx) are skipped; redirects are
 *  followed as curl does: 301 and 302 make a GET of a POST, 303 of everything but HEAD, 307 and 308 send
 *  the same again; another scheme, host or port than that of `url` gets neither the authorization nor a
 *  Cookie header of the caller's. A server may refuse a body before it has read it: it is sent no more of it
 *  then, and its response counts. GET, HEAD, OPTIONS, PUT and DELETE are sent once more, over a new connection,
 *  if a kept one ended before an octet of the response came, unless a producer has begun.
 *  Args: `method` is a token in capitals; `url` is http or https, or relative to the base_url; what a URL
 *        may not hold is percent-encoded; user information in it is taken for `auth`. `opts` may be NULL.
 *  Returns: 0 and the response, whatever its status;
 *           -EINVAL (a bad method, URL, header or form, more than one body; headers that frame the message:
 *           Host, Connection, Content-Length, Transfer-Encoding);
 *           -ETIME (a bound of time passed); -ECANCELED; -ENOMEM; -ESHUTDOWN (the session is closed);
 *           -EXDEV (of another loop);
 *           -ECONNRESET (the connection was reset, or ended before the first octet of a response);
 *           -EPROTO (the response, or a redirect's Location, breaks the rules or limits, or ended inside its
 *           head; it switches protocols; more than 16 interim responses; a proxy that refuses);
 *           -ELOOP (more than `redirects`); -ESPIPE (the body would have to be sent twice, and cannot);
 *           else as rill_open_connection, rill_stream_start_tls, rill_stream_sendfile or the producer.
 *  Owns: gives the response; rill_http_close ends it.   Suspends: yes.
 *  Limits: URLs of 32 KiB; 8 KiB of status line and of each field line, 32 KiB and 200 lines of fields;
 *          3000 cookies, 50 for each domain, of 4 KiB.
 *  Like: ClientSession.request.   Since: 0.1 */
RILL_API int rill_http_request(rill_http_session *session, const char *method, const char *url,
                               const rill_http_request_opts *opts,
                               rill_http_response **ret_response) RILL_SUSPENDS;

/** rill_http_request with GET.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_get(rill_http_session *session, const char *url,
                           const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with POST.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_post(rill_http_session *session, const char *url,
                            const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with PUT.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_put(rill_http_session *session, const char *url,
                           const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with PATCH.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_patch(rill_http_session *session, const char *url,
                             const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with DELETE.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_delete(rill_http_session *session, const char *url,
                              const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with HEAD, which follows no redirects unless `opts` says how many.
 *  Returns: as rill_http_request.   Like: ClientSession.head.   Since: 0.1 */
RILL_API int rill_http_head(rill_http_session *session, const char *url,
                            const rill_http_request_opts *opts, rill_http_response **ret_response)
    RILL_SUSPENDS;

/** rill_http_request with OPTIONS.   Returns: as rill_http_request.   Since: 0.1 */
RILL_API int rill_http_options(rill_http_session *session, const char *url,
                               const rill_http_request_opts *opts,
                               rill_http_response **ret_response) RILL_SUSPENDS;

/** The status of a response.   Returns: 200 to 599.   Like: ClientResponse.status.   Since: 0.1 */
RILL_API int rill_http_status(const rill_http_response *response);

/** The URL that answered, after redirects: without user information and fragment.
 *  Returns: a text, valid until close.   Like: ClientResponse.url.   Since: 0.1 */
RILL_API const char *rill_http_url(const rill_http_response *response);

/** The value of the first field line named `name`, in any case.
 *  Returns: the value, perhaps empty, valid until close; { NULL, 0 } if there is no such line.
 *  Like: ClientResponse.headers.get.   Since: 0.1 */
RILL_API rill_span rill_http_header(const rill_http_response *response, const char *name);

/** Everything the head says, for the functions of <rill/http.h>.
 *  Returns: the head, valid until close.   Since: 0.1 */
RILL_API const rill_http_message *rill_http_response_head(const rill_http_response *response);

/** Read the next octets of the body, without its transfer coding, and decoded if it is compressed (gzip,
 *  deflate, br, zstd).
 *  Returns: the octets read, at most `size`; 0 (the body is complete);
 *           -ECANCELED (nothing is lost: a later read goes on); -EBUSY (another task reads it);
 *           -ETIME (`total` or `sock_read` passed);
 *           -ESHUTDOWN (the session was closed);
 *           -ECONNRESET; -EPROTO (a coding is broken, or the connection ended inside the body);
 *           -EMSGSIZE (it grows above `inflate_max`); -ENOMEM; other receive errors.
 *           After an error but the first two each call returns it again.
 *  Suspends: while nothing is there.   Like: ClientResponse.content.read.   Since: 0.1 */
RILL_API int rill_http_read(rill_http_response *response, void *buf, size_t size) RILL_SUSPENDS;

/** Read what is left of the body.
 *  Returns: 0 and the octets, followed by a zero octet, valid until close;
 *           -EMSGSIZE (more than `max`); -ENOMEM; else as rill_http_read.
 *  Suspends: until it is complete.   Like: ClientResponse.read.   Since: 0.1 */
RILL_API int rill_http_read_all(rill_http_response *response, size_t max, rill_span *ret_body)
    RILL_SUSPENDS;

/** End a response. Its connection is kept if the body was read to its end, or the rest of it is there
 *  already, and the server keeps it open, too; else it is reset. What was not read is dropped.
 *  Returns: nothing.   Owns: takes the response; NULL is fine.   Suspends: no.
 *  Like: ClientResponse.release.   Since: 0.1 */
RILL_API void rill_http_close(rill_http_response *response);

#ifdef __cplusplus
}
#endif
