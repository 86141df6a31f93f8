/* session.c - sessions that clients keep to resume them, by the server's name.
 *
 * The last session that a server gave is kept for each name; beyond the bound the one that was not used for the
 * longest time goes. A session of TLS 1.3 is used once, since who sees it twice can tell that it is the same
 * client (RFC 8446, C.4). */
#include "core/tls/tls.h"

#include <rill/mem.h>

#include <string.h>

struct kept {
    struct list link;
    SSL_SESSION *session;
    char *name;
};

static void drop(rill_tls_context *context, struct kept *kept)
{
    list_remove(&kept->link);
    context->sessions_count--;
    SSL_SESSION_free(kept->session);
    rill_free(kept->name);
    rill_free(kept);
}

static struct kept *find(rill_tls_context *context, const char *name)
{
    list_for_each(node, &context->sessions) {
        struct kept *kept = container_of(node, struct kept, link);
        if (strcmp(kept->name, name) == 0)
            return kept;
    }
    return NULL;
}

static struct kept *add(rill_tls_context *context, const char *name)
{
    struct kept *kept = rill_alloc_zero(1, sizeof *kept);
    char *copy = rill_copy(name, strlen(name));
    if (kept == NULL || copy == NULL) {
        rill_free(kept);
        rill_free(copy);
        return NULL;
    }
    kept->name = copy;
    list_push_front(&context->sessions, &kept->link);
    if (++context->sessions_count > RILL__TLS_SESSIONS)
        drop(context, container_of(context->sessions.prev, struct kept, link));
    return kept;
}

bool rill__tls_session_put(rill_tls_context *context, const char *name, SSL_SESSION *session)
{
    pthread_mutex_lock(&context->mutex);
    struct kept *kept = find(context, name);
    if (kept != NULL)
        SSL_SESSION_free(kept->session);
    else
        kept = add(context, name);
    if (kept != NULL) {
        kept->session = session;
        list_remove(&kept->link);
        list_push_front(&context->sessions, &kept->link);
    }
    pthread_mutex_unlock(&context->mutex);
    return kept != NULL;
}

SSL_SESSION *rill__tls_session_get(rill_tls_context *context, const char *name)
{
    SSL_SESSION *session = NULL;
    pthread_mutex_lock(&context->mutex);
    struct kept *kept = find(context, name);
    if (kept != NULL) {
        session = kept->session;
        SSL_SESSION_up_ref(session);
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION ||
            !SSL_SESSION_is_resumable(session))
            drop(context, kept);
    }
    pthread_mutex_unlock(&context->mutex);
    return session;
}

void rill__tls_sessions_fini(rill_tls_context *context)
{
    list_for_each_safe(node, &context->sessions)
        drop(context, container_of(node, struct kept, link));
}
