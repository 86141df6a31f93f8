/* shield.c - a future that ends as another does, but does not pass a cancel on to it. */
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/wait.h>

#include <errno.h>

struct shield {
    rill_future future;
    struct rill__callback callback;
    struct rill__ready ready;
    rill_future *inner;
};

static void on_inner(struct rill__ready *ready)
{
    struct shield *shield = container_of(ready, struct shield, ready);
    if (shield->future.state == RILL_PENDING)
        rill__future_end_as(&shield->future, shield->inner);
    else
        shield->inner->taken = true;
}

static bool shield_cancel(rill_future *future, const char *msg)
{
    struct shield *shield = container_of(future, struct shield, future);
    rill__callback_remove(&shield->callback);
    rill__future_end(future, RILL_CANCELLED, -ECANCELED,
                     msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL);
    return true;
}

static void shield_free(rill_future *future)
{
    struct shield *shield = container_of(future, struct shield, future);
    rill__callback_remove(&shield->callback);
    rill__loop_unready(&shield->ready);
    rill_unref(shield->inner);
    rill__future_fini(future);
    rill_free(shield);
}

const struct rill__future_ops rill__shield_ops = {
    .cancel = shield_cancel,
    .free = shield_free,
    .members = { .first = RILL__HERE(struct shield, inner) }, /* an array of one */
};

rill_future *rill_shield(rill_future *inner)
{
    if (inner->state != RILL_PENDING)
        return rill_ref(inner);
    struct shield *shield = rill_alloc_zero(1, sizeof *shield);
    if (shield == NULL)
        return rill__future_failed(inner->loop, -ENOMEM);
    rill__future_init(&shield->future, RILL__SHIELD, inner->loop);
    shield->callback.ready = &shield->ready;
    shield->ready.run = on_inner;
    shield->inner = rill_ref(inner);
    rill__callback_add(inner, &shield->callback);
    return &shield->future;
}
