/* respond.c - the fixed answer of a route: one block, head and body, made when the route is opened.
 *
 * The block is shared by all requests and lives as long as the route, so an answer costs a copy of
 * the reply and nothing to release. */
#include "server/handler/handler.h"

#include "server/conf/conf.h"

#include <rill/http.h>
#include <rill/mem.h>

#include <errno.h>

static int respond_open(const struct conf_route *conf, const struct handler_env *env,
                        void **ret_state)
{
    const struct conf_respond *own = &conf->respond;
    struct reply_fields fields = { conf->header, conf->header_count };
    struct reply_head head;
    struct reply *reply;
    /* These statuses have no body, whatever was configured. (rule 76) */
    bool bodiless = own->status == 204 || own->status == 205 || own->status == 304;
    size_t body_size = bodiless ? 0 : own->body.size;
    size_t head_max =
        reply_head_room + own->type.size + own->location.size + reply_fields_size(&fields);
    char *block = rill_alloc(sizeof *reply + head_max + body_size);
    (void)env;
    if (block == NULL)
        return -ENOMEM;
    reply = (struct reply *)(void *)block;
    reply_head_begin(&head, block + sizeof *reply, head_max, (int)own->status, &fields);
    if (body_size > 0)
        reply_head_field(&head, RILL_SPAN("Content-Type"), own->type);
    reply_head_length(&head, body_size);
    if (own->location.size > 0)
        reply_head_field(&head, RILL_SPAN("Location"), own->location);
    int r = reply_head_end(&head, reply);
    if (r < 0) {
        rill_free(block);
        return r;
    }
    if (body_size > 0)
        memcpy(reply->head + reply->head_size, own->body.at, body_size);
    reply_body_behind(reply, body_size);
    *ret_state = reply;
    return 0;
}

static void respond_close(void *state)
{
    rill_free(state);
}

static int respond_serve(void *state, struct request *request, struct reply *ret_reply)
{
    const struct reply *reply = state;
    (void)request;
    *ret_reply = *reply;
    return 0;
}

const struct handler handler_respond = {
    .name = "respond",
    .instant = true,
    .methods = 1u << RILL_HTTP_GET | 1u << RILL_HTTP_HEAD,
    .open = respond_open,
    .close = respond_close,
    .serve = respond_serve,
};
