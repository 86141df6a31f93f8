/* filter.c - a TLS connection as a stream's filter: records in, plaintext out, and the other way round.
 *
 * OpenSSL reads octets where the ring put them and writes records behind each other into `made`, which the stream
 * sends. It never has to wait: what has come is read as a whole at once, and there is always room to write. So
 * nothing lies in OpenSSL but the begin of a record that has not come in full.
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

static int take_in(BIO *bio, char *buf, int size)
{
    struct rill__tls *tls = BIO_get_data(bio);
    size_t taken = (size_t)size < tls->in_size ? (size_t)size : tls->in_size;
    BIO_clear_retry_flags(bio);
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
    BIO_clear_retry_flags(bio);
    if (make_room(&tls->filter, (size_t)size) < 0) {
        tls->no_memory = true;
        return -1;
    }
    memcpy(tls->filter.made + tls->filter.made_size, octets, (size_t)size);
    tls->filter.made_size += (size_t)size;
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

/* Why OpenSSL gave up; `why` tells it in words. */
static int failure(struct rill__tls *tls)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    ERR_clear_error();
    tls->filter.finished = true; /* it can say no more */
    if (tls->no_memory || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
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
    else if (tls->no_memory || SSL_get_error(tls->ssl, r) != SSL_ERROR_WANT_READ)
        return failure(tls);
    return 0;
}

/* Everything that can be read is put into the stream. A call reads one record, or a part of it where the room is
 * too small: there is no other that OpenSSL has opened. */
static int decrypt(struct rill__tls *tls)
{
    rill_stream *stream = tls->stream;
    size_t got, room = tls->in_size;
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
        room = left > 0 ? (size_t)left : tls->in_size;
    }
    return 0;
}

static int received(struct rill__filter *filter, const char *octets, size_t size)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter);
    int r = 0;
    tls->in = octets;
    tls->in_size = size;
    if (filter->opening)
        r = shake_hands(tls);
    if (r == 0 && !filter->opening)
        r = decrypt(tls);
    tls->in_size = 0;
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
    ERR_clear_error();
    return filter->opening || SSL_shutdown(tls->ssl) >= 0 ? 0 : failure(tls);
}

static void free_filter(struct rill__filter *filter)
{
    struct rill__tls *tls = container_of(filter, struct rill__tls, filter);
    if (tls->ssl != NULL) /* a cut alone takes nothing from the session, which OpenSSL would drop */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
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

int rill__tls_new(rill_stream *stream, rill_tls_context *context, const char *name,
                  struct rill__tls **ret_tls)
{
    struct rill__tls *tls = rill_alloc_zero(1, sizeof *tls);
    if (tls == NULL)
        return -ENOMEM;
    tls->filter.ops = &tls_ops;
    tls->filter.opening = true;
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

struct rill__tls *rill__tls_of(const rill_stream *stream)
{
    struct rill__filter *filter = stream->filter;
    return filter != NULL && filter->ops == &tls_ops
               ? container_of(filter, struct rill__tls, filter)
               : NULL;
}
