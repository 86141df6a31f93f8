/* process_talk.c - talking with a child: all input written, all output read, its end awaited.
 *
 * The three pipes have a task each, in one group: a child that writes before it has read all must not
 * wait for us, nor we for it. What was read and how much was written is kept in the process, so that
 * a call that was cut short loses nothing. */
#include "core/io/process_state.h"

#include <rill/group.h>
#include <rill/mem.h>

#include <errno.h>
#include <string.h>

struct talk {
    struct rill__process *process;
    rill_span input;
    rill_stream *in, *out, *err; /* references, for the process may be closed meanwhile */
    rill_group group;
    bool cut; /* one of its tasks was cancelled, by whomever: the others would wait for it */
};

static int part_ends(struct talk *talk, int r)
{
    if (r != -ECANCELED)
        return r;
    talk->cut = true;
    (void)rill_group_cancel(&talk->group, NULL);
    return r;
}

static int feed(void *arg)
{
    struct talk *talk = arg;
    struct rill__process *process = talk->process;
    rill_stream *in = talk->in;
    int r = 0;
    while (r >= 0 && process->fed < talk->input.size) {
        size_t taken;
        r = rill_stream_write(in, talk->input.at + process->fed, talk->input.size - process->fed,
                              &taken);
        process->fed += taken;
    }
    if (r >= 0)
        r = rill_stream_drain(in);
    if (r >= 0 || r == -EPIPE || r == -ECONNRESET) {
        rill_stream_close(in);
        r = 0; /* it did not want it all */
    }
    return part_ends(talk, r);
}

static int make_room(struct rill__said *said, size_t size)
{
    size_t room = said->room > 0 ? said->room : 4096;
    if (said->room - said->size >= size)
        return 0;
    while (room - said->size < size)
        room *= 2;
    char *octets = rill_resize(said->octets, room);
    if (octets == NULL)
        return -ENOMEM;
    said->octets = octets;
    said->room = room;
    return 0;
}

static int take_all(rill_stream *stream, struct rill__said *said, size_t limit)
{
    rill_span span;
    int r;
    while ((r = rill_stream_peek(stream, 1, &span)) > 0) {
        size_t left = limit - said->size, size = span.size < left ? span.size : left;
        r = make_room(said, size);
        if (r < 0)
            return r;
        if (size > 0)
            memcpy(said->octets + said->size, span.at, size);
        said->size += size;
        rill_stream_consume(stream, size);
        if (size < span.size)
            return -EMSGSIZE;
    }
    return r;
}

static int take_out(void *arg)
{
    struct talk *talk = arg;
    struct rill__process *process = talk->process;
    return part_ends(talk, take_all(talk->out, &process->said[0], process->output_limit));
}

static int take_err(void *arg)
{
    struct talk *talk = arg;
    struct rill__process *process = talk->process;
    return part_ends(talk, take_all(talk->err, &process->said[1], process->output_limit));
}

static int use_pipes(struct talk *talk)
{
    int r = rill_group_enter(&talk->group);
    if (r < 0)
        return r;
    if (talk->in != NULL)
        r = rill_group_go(&talk->group, RILL_CORO(feed, talk));
    if (r == 0 && talk->out != NULL)
        r = rill_group_go(&talk->group, RILL_CORO(take_out, talk));
    if (r == 0 && talk->err != NULL)
        r = rill_group_go(&talk->group, RILL_CORO(take_err, talk));
    r = rill_group_leave(&talk->group, r);
    rill_group_fini(&talk->group);
    return r == 0 && talk->cut ? -ECANCELED : r;
}

static rill_stream *hold(rill_stream *stream)
{
    return stream != NULL ? rill_stream_ref(stream) : NULL;
}

/* Everything said and heard, and its end. */
static int talk_to_the_end(struct talk *talk)
{
    struct rill__process *process = talk->process;
    talk->in = hold(process->public.in);
    talk->out = hold(process->public.out);
    talk->err = hold(process->public.err);
    int r = use_pipes(talk);
    rill_stream_unref(talk->in);
    rill_stream_unref(talk->out);
    rill_stream_unref(talk->err);
    if (r != -ECANCELED && process->closed)
        return -ESHUTDOWN; /* what was heard goes with it */
    if (r == 0 && rill_process_wait(&process->public) == -ECANCELED)
        return -ECANCELED;
    return r == 0 && process->closed ? -ESHUTDOWN : r;
}

static void show(const struct rill__said *said, rill_span *ret_span)
{
    if (ret_span != NULL)
        *ret_span = (rill_span){ said->size > 0 ? said->octets : "", said->size };
}

int rill_process_communicate(rill_process *public, rill_span input, rill_span *ret_out,
                             rill_span *ret_err)
{
    struct rill__process *process = rill__process_of(public);
    struct talk talk = { .process = process, .input = input };
    if (process->talking)
        return -EBUSY;
    if (public->in == NULL && input.size > 0)
        return -EINVAL;
    process->talking = true;
    process->users++;
    int r = talk_to_the_end(&talk);
    process->talking = false;
    if (r == 0) {
        show(&process->said[0], ret_out);
        show(&process->said[1], ret_err);
    }
    rill__process_release(process);
    return r;
}
