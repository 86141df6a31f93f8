/* http.h - HTTP/1.1 as pure functions: octets in, a parsed message out, and the way back.
 *
 * One strict engine for the server (requests) and the client (responses). It does no I/O, allocates
 * nothing and never suspends; the caller reads, keeps the octets and calls again when more are there.
 * How the octets were split never changes a result. There is no lenient mode: what has two readings
 * is refused, with a status for the peer and the number of the rule for the log. RFC 9110, 9112, 3986.
 *
 * Every function may be called from any thread, on objects that no other thread uses meanwhile. */
#pragma once

#include <rill/text.h>

/* --- Names ------------------------------------------------------------------------------------ */

typedef enum rill_http_method {
    RILL_HTTP_OTHER, /* a token we do not know: only with limits.other_methods */
    RILL_HTTP_GET,
    RILL_HTTP_HEAD,
    RILL_HTTP_POST,
    RILL_HTTP_PUT,
    RILL_HTTP_PATCH,
    RILL_HTTP_DELETE,
    RILL_HTTP_OPTIONS,
} rill_http_method;

/* The fields with an id, sorted by the length of their names: X(id, lower-case name). */
#define RILL_HTTP_FIELDS(X)                           \
    X(TE, "te")                                       \
    X(VIA, "via")                                     \
    X(AGE, "age")                                     \
    X(HOST, "host")                                   \
    X(DATE, "date")                                   \
    X(ETAG, "etag")                                   \
    X(VARY, "vary")                                   \
    X(RANGE, "range")                                 \
    X(ALLOW, "allow")                                 \
    X(PROXY, "proxy")                                 \
    X(ACCEPT, "accept")                               \
    X(COOKIE, "cookie")                               \
    X(EXPECT, "expect")                               \
    X(ORIGIN, "origin")                               \
    X(SERVER, "server")                               \
    X(REFERER, "referer")                             \
    X(UPGRADE, "upgrade")                             \
    X(TRAILER, "trailer")                             \
    X(EXPIRES, "expires")                             \
    X(IF_MATCH, "if-match")                           \
    X(IF_RANGE, "if-range")                           \
    X(LOCATION, "location")                           \
    X(FORWARDED, "forwarded")                         \
    X(USER_AGENT, "user-agent")                       \
    X(CONNECTION, "connection")                       \
    X(KEEP_ALIVE, "keep-alive")                       \
    X(SET_COOKIE, "set-cookie")                       \
    X(TRACEPARENT, "traceparent")                     \
    X(RETRY_AFTER, "retry-after")                     \
    X(CONTENT_TYPE, "content-type")                   \
    X(MAX_FORWARDS, "max-forwards")                   \
    X(X_REQUEST_ID, "x-request-id")                   \
    X(IF_NONE_MATCH, "if-none-match")                 \
    X(CACHE_CONTROL, "cache-control")                 \
    X(AUTHORIZATION, "authorization")                 \
    X(LAST_MODIFIED, "last-modified")                 \
    X(ACCEPT_RANGES, "accept-ranges")                 \
    X(CONTENT_RANGE, "content-range")                 \
    X(CONTENT_LENGTH, "content-length")               \
    X(ACCEPT_ENCODING, "accept-encoding")             \
    X(ACCEPT_LANGUAGE, "accept-language")             \
    X(X_FORWARDED_FOR, "x-forwarded-for")             \
    X(CONTENT_ENCODING, "content-encoding")           \
    X(CONTENT_LOCATION, "content-location")           \
    X(CONTENT_LANGUAGE, "content-language")           \
    X(PROXY_CONNECTION, "proxy-connection")           \
    X(X_FORWARDED_HOST, "x-forwarded-host")           \
    X(WWW_AUTHENTICATE, "www-authenticate")           \
    X(IF_MODIFIED_SINCE, "if-modified-since")         \
    X(TRANSFER_ENCODING, "transfer-encoding")         \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")         \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key")         \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")       \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since")     \
    X(PROXY_AUTHORIZATION, "proxy-authorization")     \
    X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")   \
    X(SEC_WEBSOCKET_VERSION, "sec-websocket-version") \
    X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")

typedef enum rill_http_field_id {
    RILL_HTTP_FIELD_OTHER,       /* a name without an id */
    RILL_HTTP_FIELD_UNDERSCORED, /* a name with an underscore: not passed on (rule 43) */

#define RILL_HTTP_FIELD_ENUM(id, name) RILL_HTTP_FIELD_##id,
    RILL_HTTP_FIELDS(RILL_HTTP_FIELD_ENUM)
#undef RILL_HTTP_FIELD_ENUM
        RILL_HTTP_FIELD_COUNT
} rill_http_field_id;

/* The form of a request's target (RFC 9112, 3.2). */
typedef enum rill_http_form {
    RILL_HTTP_ORIGIN,   /* /path?query */
    RILL_HTTP_ABSOLUTE, /* http://host/path?query */
    RILL_HTTP_ASTERISK, /* the whole server; OPTIONS only */
} rill_http_form;

/* The scheme of an absolute target. The caller answers 421 where it is not the connection's (rule 21). */
typedef enum rill_http_scheme {
    RILL_HTTP_SCHEME_NONE,
    RILL_HTTP_SCHEME_HTTP,
    RILL_HTTP_SCHEME_HTTPS,
} rill_http_scheme;

/* Where a message's body ends. */
typedef enum rill_http_framing {
    RILL_HTTP_BODY_NONE,    /* there is none */
    RILL_HTTP_BODY_LENGTH,  /* after head.length octets, perhaps 0 */
    RILL_HTTP_BODY_CHUNKED, /* where the chunked coding says */
    RILL_HTTP_BODY_CLOSE,   /* at the end of the connection; responses only */
} rill_http_framing;

/* --- Heads ------------------------------------------------------------------------------------ */

/* What the parser takes at most. Lengths are exact: as many are taken, one more is refused. */
typedef struct rill_http_limits {
    uint32_t line;   /* octets of the start line, and of one field line, without CRLF: 414, 431 */
    uint32_t head;   /* octets of all field lines with their CRLFs: 431 */
    uint16_t fields; /* field lines: 431; the size of the caller's array is a limit as well */
    bool other_methods; /* take unknown methods as RILL_HTTP_OTHER instead of 501 (rule 11) */
} rill_http_limits;

/* The limits of rules 9 and 10, used where NULL is passed. A buffer of RILL_HTTP_HEAD_MAX octets
 * holds every head they allow: two empty lines, the start line, the fields and the last CRLF. */
#define RILL_HTTP_LIMITS   ((rill_http_limits){ .line = 8192, .head = 16384, .fields = 100 })
#define RILL_HTTP_HEAD_MAX (4 + 8192 + 2 + 16384 + 2)

/* A piece of a head: offset from head.at, and size. */
typedef struct rill_http_part {
    uint32_t at;
    uint32_t size;
} rill_http_part;

/* One field line: white space round the value is not part of it. */
typedef struct rill_http_field {
    rill_http_part name;
    rill_http_part value;
    uint16_t id; /* a rill_http_field_id */
} rill_http_field;

/* A parsed head. All text is offsets from `at`, so a caller that moves the octets only sets `at`
 * anew; the octets must stay as long as the head is read. Valid after a parse that returned a size,
 * except the refusal, which is valid after -EBADMSG.
 *
 *     rill_http_field fields[100];
 *     rill_http_message head;
 *     rill_http_head_init(&head, fields, 100);
 *     int r;
 *     while ((r = rill_http_request_parse(&head, buffer, used, NULL)) == 0)
 *         used += ...read more behind buffer + used...;
 *     if (r < 0)
 *         return answer(head.refuse_status);
 *     body begins at buffer + r
 */
typedef struct rill_http_message {
    const char *at; /* the first octet; the caller's to set when it moves the octets */
    rill_http_field *fields;
    uint64_t known;    /* bit 1 << id: the field is there */
    uint64_t repeated; /* bit 1 << id: in more than one line */
    uint64_t length;   /* what Content-Length says, where it is there */
    uint32_t size;     /* octets of the head, empty lines before it included */
    uint16_t field_count;
    uint16_t field_max;     /* of `fields`, set by init */
    uint16_t refuse_status; /* after -EBADMSG: the answer; 502 where a response was refused */
    uint16_t refuse_rule;   /* after -EBADMSG: the rule that refused, for the log */
    uint16_t status;        /* responses: 100 to 599 */
    uint16_t port;          /* requests: the authority's port; 0: none given */
    uint8_t minor;          /* 0: HTTP/1.0, 1: HTTP/1.1 and any later 1.x */
    uint8_t method;         /* a rill_http_method; responses: that of the request */
    uint8_t form;           /* a rill_http_form */
    uint8_t scheme;         /* a rill_http_scheme: of an absolute target */
    uint8_t framing;        /* a rill_http_framing */
    bool keep_alive;        /* the peer does not end the connection after this message (64, 65) */
    bool expect_continue;   /* the client of 1.1 waits for a 100 before it sends the body (73) */
    bool upgrade;           /* 1.1, and `Connection: upgrade` beside an `Upgrade` field (78) */
    /* Private: where the parser goes on. */
    uint8_t kind, stage, blank, options;
    uint32_t line, scan, section;
    /* Parts. Requests; empty where absent. */
    rill_http_part method_name;
    rill_http_part target;    /* as received */
    rill_http_part resource;  /* path and query of the target; empty for http://host */
    rill_http_part authority; /* of the target, else the value of Host (rule 19); with the port */
    rill_http_part host;      /* its name, without one trailing dot; [v6] in brackets */
    rill_http_part reason;    /* responses */
    uint16_t first[RILL_HTTP_FIELD_COUNT]; /* index of the first line; only where `known` says so */
} rill_http_message;

#ifdef __cplusplus
extern "C" {
#endif

/** An empty head, ready for a message; to be done before each. Costs a few stores: `fields` is not
 *  cleared.   Args: `fields` has room for `field_max` lines and stays the caller's.
 *  Returns: nothing.   Since: 0.1 */
RILL_API void rill_http_head_init(rill_http_message *head, rill_http_field *fields,
                                  uint16_t field_max);

/** Read a request head out of what was received so far: `size` octets at `at`, always from the first
 *  octet of the message; both may differ from the call before, as long as the octets known by then
 *  are the same. A call looks at new octets only.
 *  Args: `limits` NULL is RILL_HTTP_LIMITS.
 *  Returns: the size of the head, above 0, with everything in *head set: the body begins there;
 *           0 (not complete: call again with more octets);
 *           -EBADMSG (refused, as early as the octets allow: head.refuse_status and refuse_rule.
 *           Answer, and read no further message: where it ends is not known).
 *  Like: RFC 9112 2 to 6, rules 1 to 50.   Since: 0.1 */
RILL_API int rill_http_request_parse(rill_http_message *head, const char *at, size_t size,
                                     const rill_http_limits *limits)
    __attribute__((warn_unused_result));

/** Read a response head; splits, base and limits as rill_http_request_parse.
 *  A status below 200 is an interim answer: another head follows it (but for 101, after which the
 *  octets are the new protocol's).
 *  Args: `method` is that of the request, which decides whether there is a body.
 *  Returns: the size of the head; 0; -EBADMSG (refuse_status is 502).
 *  Like: RFC 9112 4 and 6.3, rules 60 and 106.   Since: 0.1 */
RILL_API int rill_http_response_parse(rill_http_message *head, rill_http_method method,
                                      const char *at, size_t size, const rill_http_limits *limits)
    __attribute__((warn_unused_result));

/** Read a whole trailer section (as the pieces of rill_http_body_take give it) into the fields of a
 *  head made by rill_http_head_init. Fields that must not come in trailers (framing, routing,
 *  authentication, content description) are left out (rule 55).
 *  Returns: the size of the section; 0 (not complete); -EBADMSG.   Since: 0.1 */
RILL_API int rill_http_trailer_parse(rill_http_message *head, const char *at, size_t size,
                                     const rill_http_limits *limits)
    __attribute__((warn_unused_result));

/** The octets of a part.   Returns: a span into the head's octets.   Since: 0.1 */
static inline rill_span rill_http_span(const rill_http_message *head, rill_http_part part)
{
    return (rill_span){ head->at + part.at, part.size };
}

/** The first line of a known field.
 *  Returns: the line; NULL if there is none.   Since: 0.1 */
static inline const rill_http_field *rill_http_head_get(const rill_http_message *head,
                                                        rill_http_field_id id)
{
    return head->known >> id & 1 ? &head->fields[head->first[id]] : NULL;
}

/** The value of the first line of a known field.
 *  Returns: the value, perhaps empty; { NULL, 0 } if there is no such line.   Since: 0.1 */
static inline rill_span rill_http_head_value(const rill_http_message *head, rill_http_field_id id)
{
    const rill_http_field *field = rill_http_head_get(head, id);
    return field ? rill_http_span(head, field->value) : (rill_span){ NULL, 0 };
}

/** The next line named `name`, in any case, at or behind line `from` (0 to begin).
 *  Returns: the index of the line; -ENOENT if there is none.   Since: 0.1 */
RILL_API int rill_http_head_find(const rill_http_message *head, rill_span name, uint16_t from);

/* --- Values ----------------------------------------------------------------------------------- */

/* A walk over the elements of a list field, all its lines taken as one list (rules 41, 42).
 *
 *     rill_http_list list = rill_http_list_of(&head, RILL_HTTP_FIELD_CONNECTION);
 *     rill_span element;
 *     while ((r = rill_http_list_next(&list, &element)) > 0)
 *         ...
 */
typedef struct rill_http_list {
    const rill_http_message *head; /* NULL: over one value only */
    rill_span rest;                /* of the line at hand */
    uint16_t id;
    uint16_t next;  /* line to look at after this one */
    uint16_t blank; /* empty elements so far */
} rill_http_list;

/** A walk over all lines of a known field.   Returns: the walk.   Since: 0.1 */
static inline rill_http_list rill_http_list_of(const rill_http_message *head, rill_http_field_id id)
{
    uint16_t next = head->known >> id & 1 ? head->first[id] : head->field_count;
    return (rill_http_list){ head, { NULL, 0 }, (uint16_t)id, next, 0 };
}

/** A walk over one value.   Returns: the walk.   Since: 0.1 */
static inline rill_http_list rill_http_list_over(rill_span value)
{
    return (rill_http_list){ NULL, value, 0, 0, 0 };
}

/** The next element, without the white space round it. Commas in quoted strings do not separate.
 *  Returns: 1 and the element; 0 at the end;
 *           -EBADMSG (more than 32 empty elements, rule 42; or a quoted string without an end).
 *  Since: 0.1 */
RILL_API int rill_http_list_next(rill_http_list *list, rill_span *ret_element);

/** Whether a text is a token: the alphabet of methods and field names (RFC 9110, 5.6.2).
 *  Returns: true if so, false also if it is empty.   Since: 0.1 */
RILL_API bool rill_http_is_token(rill_span text);

/** Whether a text may be a field value: no control octet but HTAB (rule 39).
 *  Returns: true if so, also if it is empty.   Since: 0.1 */
RILL_API bool rill_http_is_value(rill_span text);

/** Read a Content-Length: digits only, at most 2^63-1 (rules 44 to 46).
 *  Returns: 0 and the length; -EBADMSG.   Since: 0.1 */
RILL_API int rill_http_length_parse(rill_span text, uint64_t *ret_length)
    __attribute__((warn_unused_result));

/** The id of a field name of any case.
 *  Returns: the id; RILL_HTTP_FIELD_UNDERSCORED; RILL_HTTP_FIELD_OTHER.   Since: 0.1 */
RILL_API rill_http_field_id rill_http_field_of(rill_span name);

/** The name of a known field, in lower case.
 *  Returns: the name; empty for the two ids that have none.   Since: 0.1 */
RILL_API rill_span rill_http_field_name(rill_http_field_id id);

/** The method a token names; case matters (rule 11).
 *  Returns: the method; RILL_HTTP_OTHER for any other text, CONNECT and TRACE included.   Since: 0.1 */
RILL_API rill_http_method rill_http_method_of(rill_span name);

/** The token of a method.   Returns: the token; empty for RILL_HTTP_OTHER.   Since: 0.1 */
RILL_API rill_span rill_http_method_name(rill_http_method method);

/* A host and its port. */
typedef struct rill_http_host {
    rill_span name; /* without one trailing dot; [v6] in its brackets */
    uint16_t port;  /* 0: none given */
} rill_http_host;

/** Read `host` or `host:port`, the value of Host or an authority (rule 17).
 *  Returns: 0 and the host, a span into `text`;
 *           -EBADMSG (empty, user information, a broken address literal, an empty label, an octet
 *           that no host name has, a port that is not 1 to 65535).   Since: 0.1 */
RILL_API int rill_http_host_parse(rill_span text, rill_http_host *ret_host)
    __attribute__((warn_unused_result));

/** Whether two hosts are the same one: names without case, no port meaning `default_port` (rule 18).
 *  Returns: true if so.   Since: 0.1 */
RILL_API bool rill_http_host_equal(rill_http_host a, rill_http_host b, uint16_t default_port);

/* --- Targets ---------------------------------------------------------------------------------- */

/* The octet that stands for an encoded slash in a decoded path. It can come from nowhere else,
 * since decoded control octets are refused, so an encoded slash never separates (rule 30). An
 * encoded backslash is a plain backslash there: a literal one is refused (rule 31). */
#define RILL_HTTP_ENCODED_SLASH '\x01'

/* Path and query of a target, read by rill_http_target_parse. */
typedef struct rill_http_target {
    rill_span
        path; /* decoded once, without dot segments: in the target, or in the caller's memory */
    rill_span query; /* as received, without the question mark */
    bool has_query;
    bool dots;              /* dot segments were removed: upstreams get the path anew (rule 34) */
    bool encoded_slash;     /* it has an encoded slash or backslash: 404 for files (rule 30) */
    uint16_t refuse_status; /* after -EBADMSG */
    uint16_t refuse_rule;
} rill_http_target;

/** Split and normalise path and query (rules 24 to 32). Nothing is copied unless the path holds
 *  escapes or dot segments.
 *  Args: `raw` is head.resource or an HTTP/2 :path; empty means "/", and "*" is left as it is.
 *        `memory` of raw.size octets is always enough.
 *  Returns: 0, with spans into `raw`, `memory` or a constant;
 *           -EBADMSG (ret_target->refuse_status and refuse_rule);
 *           -ENOBUFS (`size` is too small for the path).
 *  Since: 0.1 */
RILL_API int rill_http_target_parse(rill_span raw, char *memory, size_t size,
                                    rill_http_target *ret_target)
    __attribute__((warn_unused_result));

/** Append a decoded path, percent-encoded once, so that it reads back as the same path: the
 *  inverse of rill_http_target_parse.
 *  Returns: nothing; sets `full` if it does not fit; 3 * path.size always fits.   Since: 0.1 */
RILL_API void rill_http_path_encode(rill_text *text, rill_span path);

/** As rill_http_path_encode, for a Location: exactly one leading slash, whatever `path` begins with,
 *  so that it can never name another host (rule 35).
 *  Returns: nothing; sets `full` if it does not fit; 3 * path.size + 1 always fits.   Since: 0.1 */
RILL_API void rill_http_location_encode(rill_text *text, rill_span path);

/* --- Bodies ----------------------------------------------------------------------------------- */

/* What a call of rill_http_body_take found. */
typedef enum rill_http_piece_kind {
    RILL_HTTP_PIECE_NONE,    /* framing only */
    RILL_HTTP_PIECE_DATA,    /* octets of the body */
    RILL_HTTP_PIECE_TRAILER, /* octets of the trailer section, checked; to be ignored, or collected
                                and read by rill_http_trailer_parse */
} rill_http_piece_kind;

typedef struct rill_http_piece {
    rill_http_piece_kind kind;
    rill_span octets; /* in the octets handed in */
} rill_http_piece;

/* Reads a body of any framing, of requests and responses alike.
 *
 *     rill_http_body body;
 *     if (rill_http_body_init(&body, &head, 1 << 20) < 0)
 *         return answer(413);
 *     while (!body.done && size > 0) {
 *         int64_t n = rill_http_body_take(&body, at, size, &piece);
 *         if (n < 0)
 *             return answer(body.refuse_status);
 *         if (piece.kind == RILL_HTTP_PIECE_DATA)
 *             use(piece.octets);
 *         at += n, size -= (size_t)n;
 *     }
 *     what is left at `at` belongs to the next message
 */
typedef struct rill_http_body {
    uint64_t left;          /* octets to come: of the body, or of the chunk at hand */
    uint64_t total;         /* octets of data so far */
    uint64_t size_max;      /* of data */
    uint64_t overhead;      /* chunked: octets of framing so far (rule 54) */
    uint16_t refuse_status; /* after an error */
    uint16_t refuse_rule;
    uint8_t framing; /* a rill_http_framing */
    bool done;       /* complete: take nothing more */
    /* Private: the chunk decoder. */
    uint8_t stage, digits;
    uint16_t extension, trailers;
    uint32_t trailer_size, line;
} rill_http_body;

/** A reader for the body that belongs to a complete head. It is done at once if there is none.
 *  Args: `size_max` is the most octets of data to take; UINT64_MAX for no limit.
 *  Returns: 0; -EMSGSIZE (the announced length is above `size_max`: 413).   Since: 0.1 */
RILL_API int rill_http_body_init(rill_http_body *body, const rill_http_message *head,
                                 uint64_t size_max) __attribute__((warn_unused_result));

/** Take the next piece of a body from `size` octets at `at`. Data stay where they are: the piece is
 *  a span over them.
 *  Returns: the octets used up, above 0 if `size` is and the body is not done, and *ret_piece;
 *           -EBADMSG (chunked coding or trailers broken, rules 2, 36 to 40 and 51 to 55);
 *           -EMSGSIZE (more data than `size_max`).
 *           After an error body.refuse_status and refuse_rule are set: the end of the message is
 *           not known any more.
 *  Limits: trailers as RILL_HTTP_LIMITS; 4 KiB of chunk extensions.   Since: 0.1 */
RILL_API int64_t rill_http_body_take(rill_http_body *body, const char *at, size_t size,
                                     rill_http_piece *ret_piece)
    __attribute__((warn_unused_result));

/** Tell a reader that the connection ended.
 *  Returns: 0 (the body is complete; one framed by the end of the connection is so now);
 *           -ENODATA (it ended early: never to be taken for a whole one, rules 59, 61).
 *  Since: 0.1 */
RILL_API int rill_http_body_end(rill_http_body *body) __attribute__((warn_unused_result));

/* --- Writing ---------------------------------------------------------------------------------- */

/** The reason phrase of a status.
 *  Returns: the phrase IANA lists; "Unknown" for a status without one.   Since: 0.1 */
RILL_API rill_span rill_http_reason(unsigned status);

/** Append a status line with its CRLF, "HTTP/1.1 404 Not Found".
 *  Returns: nothing; sets `full` if it does not fit.   Since: 0.1 */
RILL_API void rill_http_write_status(rill_text *text, unsigned status);

/** Append a request line and a Host line with their CRLFs.
 *  Args: `method` is a token, `target` as it goes on the wire, `host` a name with its port if it is
 *  not the scheme's own.
 *  Returns: 0; -EINVAL (no token, an octet in the target that ends or breaks the line, or a bad
 *           host): nothing is appended.   Sets `full` if it does not fit.   Since: 0.1 */
RILL_API int rill_http_write_request(rill_text *text, rill_span method, rill_span target,
                                     rill_span host) __attribute__((warn_unused_result));

/** Append a field line with its CRLF.
 *  Returns: 0; -EINVAL (the name is no token, or the value has a control octet: CR, LF and NUL can
 *           never get on the wire, rule 106): nothing is appended.   Sets `full` if it does not fit.
 *  Since: 0.1 */
RILL_API int rill_http_write_field(rill_text *text, rill_span name, rill_span value)
    __attribute__((warn_unused_result));

/** Append "Content-Length: N" with its CRLF.
 *  Returns: nothing; sets `full` if it does not fit.   Since: 0.1 */
RILL_API void rill_http_write_length(rill_text *text, uint64_t length);

/** Append the empty line that ends a head or a trailer section.
 *  Returns: nothing; sets `full` if it does not fit.   Since: 0.1 */
static inline void rill_http_write_end(rill_text *text)
{
    rill_text_add(text, RILL_SPAN("\r\n"));
}

/* Room for the head of one chunk, and the octets round chunks: data are followed by a CRLF, and the
 * last chunk, when there are no trailers, is RILL_HTTP_CHUNK_LAST. */
#define RILL_HTTP_CHUNK_HEAD_MAX 18
#define RILL_HTTP_CHUNK_LAST     RILL_SPAN("0\r\n\r\n")

/** Append the head of a chunk of `size` octets, above 0: the size in hexadecimal and a CRLF.
 *  Returns: nothing; sets `full` if it does not fit.   Since: 0.1 */
RILL_API void rill_http_write_chunk(rill_text *text, uint64_t size);

#ifdef __cplusplus
}
#endif
