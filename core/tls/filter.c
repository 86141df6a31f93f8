/* filter.c - a TLS connection as a stream's filter: records in, plaintext out, and the other way round.
 *
 * OpenSSL reads octets where the ring put them and writes records behind each other into `made`, which the stream
 * sends. It never has to wait: what has come is read as a whole at once, and there is always room to write. So
 * nothing lies in OpenSSL but the begin of a record that has not come in full.
 *
 * A stream that speaks TLS may begin once more: the new connection then reads and writes by the calls of the one
 * below it, and is what the stream has for a filter.
 *
 * I1 All calls of OpenSSL are made on the loop's stack: they need more than a task's.
 * I2 OpenSSL's list of errors belongs to the thread: it is emptied before each call, and after one that failed. */
#include "core/tls/tls.h"

#include <rill/mem.h>

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* Answers to messages of TLS itself that wait for the other side to take them: nobody needs so many. */
enum { record_extra = 512, unsent_most = 128 << 10 };

/* --- What OpenSSL reads and writes. --- */

static int make_room(struct rill__filter *filter, size_t size)
{
    size_t need = filter->made_size + size;
    if (need <= filter->made_room)
        return 0;
    size_t room = need > 2 * filter->made_room ? need : 2 * filter->made_room;
    char *made = rill_resize(filter->made, room);
    if (made == NULL)
        return -ENOMEM;
    filter->made = made;
    filter->made_room = room;
    return 0;
}

/* Octets that the connection below has for the one in it. */
static int take_from_below(BIO *bio, struct rill__tls *below, char *buf, int size)
{
    size_t taken;
    int r = SSL_read_ex(below->ssl, buf, (size_t)size, &taken);
    if (r == 1)
        return (int)taken;
    int error = SSL_get_error(below->ssl, r);
    below->filter.ended = error == SSL_ERROR_ZERO_RETURN;
    if (error == SSL_ERROR_WANT_READ)
        BIO_set_retry_read(bio);
    return -1;
}

static int take_in(BIO *bio, char *buf, int size)
{
    struct rill__tls *tls = BIO_get_data(bio);
    size_t taken = (size_t)size < tls->in_size ? (size_t)size : tls->in_size;
    BIO_clear_retry_flags(bio);
    if (taken == 0 && tls->below != NULL)
        return take_from_below(bio, tls->below, buf, size);
    if (taken == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(buf, tls->in, taken);
    tls->in += taken;
    tls->in_size -= taken;
    return (int)taken;
}

static int put_out(BIO *bio, const char *octets, int size)
{
    struct rill__tls *tls = BIO_get_data(bio);
    struct rill__filter *wire = tls->wire;
    size_t written;
    BIO_clear_retry_flags(bio);
    if (tls->below != NULL)
        return SSL_write_ex(tls->below->ssl, octets, (size_t)size, &written) == 1 ? size : -1;
    if (make_room(wire, (size_t)size) < 0) {
        tls->no_memory = true;
        return -1;
    }
    memcpy(wire->made + wire->made_size, octets, (size_t)size);
    wire->made_size += (size_t)size;
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* one for the process, for good; atomic */

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rill"), *other = NULL;
    if (made == NULL)
        return NULL;
    (void)BIO_meth_set_read(made, take_in);
    (void)BIO_meth_set_write(made, put_out);
    (void)BIO_meth_set_ctrl(made, control);
    if (__atomic_compare_exchange_n(&method, &other, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    BIO_meth_free(made); /* another thread was faster */
    return other;
}

static BIO *new_bio(struct rill__tls *tls)
{
    BIO_METHOD *known = __atomic_load_n(&method, __ATOMIC_ACQUIRE);
    if (known == NULL)
        known = make_method();
    BIO *bio = known != NULL ? BIO_new(known) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- Failures. --- */

static int give_up(struct rill__tls *tls, const char *reason)
{
    rill_text text = { tls->why, sizeof tls->why, 0, false };
    rill_text_fmt(&text, "TLS%s%s: %s", tls->name[0] != '\0' ? " with " : "", tls->name, reason);
    (void)rill_text_end(&text);
    tls->filter.finished = true; /* it can say no more */
    return -EPROTO;
}

static bool lacks_memory(const struct rill__tls *tls)
{
    return tls->no_memory || (tls->below != NULL && lacks_memory(tls->below));
}

/* Why OpenSSL gave up; `why` tells it in words. */
static int failure(struct rill__tls *tls)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    ERR_clear_error();
    tls->filter.finished = true; /* it can say no more */
    if (lacks_memory(tls) || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (tls->below != NULL && tls->below->filter.ended)
        return -ECONNRESET; /* cut off inside a connection that was not */
    if (tls->certificate_error != 0)
        return -EKEYREJECTED;
    return give_up(tls, reason != NULL ? reason : "broken");
}

/* --- The filter. --- */

static int shake_hands(struct rill__tls *tls)
{
    ERR_clear_error();
    int r = SSL_do_handshake(tls->ssl);
    if (r == 1)
        tls->filter.opening = false;
    else if (lacks_memory(tls) || SSL_get_error(tls->ssl, r) != SSL_ERROR_WANT_READ)
        return failure(tls);
    return 0;
}

/* Octets that OpenSSL has not read. */
static size_t unread(const struct rill__tls *tls)
{
    const struct rill__tls *below = tls->below;
    return tls->in_size + (below != NULL ? (size_t)SSL_pending(below->ssl) + unread(below) : 0);
}

/* Everything that can be read is put into the stream. A call reads one record, or a part of it where the room is
 * too small: there is no other that OpenSSL has opened. */
static int decrypt(struct rill__tls *tls)
{
    rill_stream *stream = tls->stream;
    size_t got, room = unread(tls);
    while (room > 0) {
        int r = rill__stream_make_room(stream, room);
        if (r < 0)
            return r;
        ERR_clear_error();
        r = SSL_read_ex(tls->ssl, stream->at + stream->size, room, &got);
        if (r != 1) {
            int error = SSL_get_error(tls->ssl, r);
            tls->filter.ended = error == SSL_ERROR_ZERO_RETURN;
            return error == SSL_ERROR_WANT_READ || tls->filter.ended ? 0 : failure(tls);
        }
        stream->size += got;
        int left = got == room ? SSL_pending(tls->ssl) : 0;
        room = left > 0 ? (size_t)left : unread(tls);
    }
    return 0;
}

static int received(struct rill__filter *filter, const char *octets, size_t size)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter), *bottom = tls;
    int r = 0;
    while (bottom->below != NULL)
        bottom = bottom->below;
    if (size > 0) {
        bottom->in = octets;
        bottom->in_size = size;
    }
    if (filter->opening)
        r = shake_hands(tls);
    if (r == 0 && !filter->opening)
        r = decrypt(tls);
    tls->in_size = bottom->in_size = 0;
    if (r == 0 && !filter->opening && filter->made_size > unsent_most)
        r = give_up(tls, "it asks without end and takes no answer");
    return r;
}

static int seal(struct rill__filter *filter, const char *octets, size_t size)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter);
    size_t written;
    int r = make_room(filter, size + record_extra);
    if (r < 0)
        return r;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, octets, size, &written) != 1 || written != size)
        return failure(tls);
    return 0;
}

static int finish(struct rill__filter *filter)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter);
    for (struct rill__tls *each = tls; each != NULL; each = each->below) {
        ERR_clear_error();
        if (!each->filter.opening && SSL_shutdown(each->ssl) < 0)
            return failure(tls);
    }
    return 0;
}

static void free_filter(struct rill__filter *filter)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter);
    if (tls->ssl != NULL) /* a cut alone takes nothing from the session, which OpenSSL would drop */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    if (tls->below != NULL)
        free_filter(&tls->below->filter);
    rill_tls_context_unref(tls->context);
    rill_free(filter->made);
    rill_free(tls);
}

static const struct rill__filter_ops tls_ops = { received, seal, finish, free_filter };

/* --- The begin. --- */

static int set_up(struct rill__tls *tls)
{
    tls->ssl = SSL_new(tls->context->ssl);
    BIO *bio = tls->ssl != NULL ? new_bio(tls) : NULL;
    if (bio == NULL)
        return -ENOMEM;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (tls->context->server) {
        SSL_set_accept_state(tls->ssl);
        return rill__tls_verify(tls->ssl, tls);
    }
    SSL_set_connect_state(tls->ssl);
    SSL_SESSION *session = rill__tls_session_get(tls->context, tls->name);
    if (session != NULL)
        (void)SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
    return rill__tls_verify(tls->ssl, tls);
}

static int new_tls(rill_stream *stream, rill_tls_context *context, const char *name,
                   struct rill__tls **ret_tls)
{
    struct rill__tls *tls = rill_alloc_zero(1, sizeof *tls);
    if (tls == NULL)
        return -ENOMEM;
    tls->filter.ops = &tls_ops;
    tls->filter.opening = true;
    tls->wire = &tls->filter;
    tls->stream = stream;
    tls->context = rill_tls_context_ref(context);
    size_t length = strlen(name); /* without the dot behind a name that is whole */
    memcpy(tls->name, name, length > 1 && name[length - 1] == '.' ? length - 1 : length);
    ERR_clear_error();
    int r = set_up(tls);
    ERR_clear_error();
    if (r < 0) {
        free_filter(&tls->filter);
        return r;
    }
    *ret_tls = tls;
    return 0;
}

/* What the connections below make and have not sent goes out by the new one. */
static void put_above(struct rill__tls *tls, struct rill__tls *below)
{
    tls->below = below;
    tls->filter.made = below->filter.made;
    tls->filter.made_size = below->filter.made_size;
    tls->filter.made_room = below->filter.made_room;
    below->filter.made = NULL;
    below->filter.made_size = below->filter.made_room = 0;
    for (; below != NULL; below = below->below)
        below->wire = &tls->filter;
}

int rill__tls_open(rill_stream *stream, rill_tls_context *context, const char *name)
{
    struct rill__tls *tls, *below = rill__tls_of(stream);
    size_t size = stream->size;
    char *early = rill_copy(stream->at, size);
    if (early == NULL)
        return -ENOMEM;
    int r = new_tls(stream, context, name, &tls);
    if (r == 0) {
        if (below != NULL)
            put_above(tls, below);
        rill_stream_consume(stream, size);
        stream->filter = &tls->filter;
        tls->in = early;
        tls->in_size = size;
        rill__stream_feed(stream, NULL, 0);
    }
    rill_free(early);
    return r;
}

struct rill__tls *rill__tls_of(const rill_stream *stream)
{
    struct rill__filter *filter = stream->filter;
    return filter != NULL && filter->ops == &tls_ops
               ? container_of(filter, struct rill__tls, filter)
               : NULL;
}
