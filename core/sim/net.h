/* net.h - simulated sockets. */
#pragma once

#include "core/sim/state.h"

#include <sys/stat.h>

enum { RILL__SEGMENTS = 32 };

/* What one side has sent and the other has not read. */
struct rill__pipe {
    char *memory;
    uint32_t room, at, size;
    uint32_t arrived; /* octets of `size` that can be read */

    struct {
        rill_time at;
        uint32_t size;
    } under_way[RILL__SEGMENTS]; /* in order of arrival */

    uint32_t segments;
    rill_time end_at;   /* the end of the stream arrives; 0: has not been sent */
    rill_time reset_at; /* a reset arrives; 0: none */
    bool ended;         /* the end has arrived */
    struct rill__event event;
};

/* What happens to a socket, in the trace. */
enum {
    RILL__MADE,
    RILL__CLOSED,
    RILL__ARRIVED,
    RILL__ENDED,
    RILL__WAS_RESET,
    RILL__QUEUED,
    RILL__ACCEPTED,
    RILL__WAS_CONNECTED,
    RILL__LOST,
    RILL__DOUBLED,
    RILL__REFUSED,
};

enum { RILL__FIRST_PORT = 40000 };

enum rill__socket_state { RILL__IDLE, RILL__LISTENING, RILL__CONNECTED };

struct rill__socket {
    struct list link; /* in sim->sockets */
    struct list waiters;
    uint32_t id; /* dense, for the trace */
    int fd;      /* -1: not accepted yet, or closed */
    dev_t device;
    ino_t inode; /* of what stands behind the number: somebody may have closed it behind our back */
    int family, type;
    enum rill__socket_state state;
    unsigned flights; /* that keep it */
    bool closed;      /* the descriptor is gone */
    bool abrupt;      /* SO_LINGER 0: the close is a reset */
    bool foreign;     /* it turned out to be about somebody outside: the real call does the rest */
    bool real;        /* listening, or of datagrams: also for those outside */
    bool cannot_read, cannot_send;
    int error; /* told once */
    rill_addr local, remote;
    int backlog;
    struct list queue; /* connections that nobody has accepted, or datagrams that nobody has read */
    struct list place; /* of such a connection in that queue */
    unsigned queued;
    uint32_t cost, under_way; /* of datagrams: unread; sent, and not arrived */
    rill_time last_arrival;
    struct rill__pipe in;
    struct rill__socket *peer; /* NULL: it is gone */
};

/* --- net.c: their life, and the ops in flight --- */

/* What a try on a real socket says when it is about nobody in here: the real call does it. */
enum { RILL__SIM_OUTSIDE = INT32_MIN + 1 };

static inline int rill__socket_take_error(struct rill__socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* The simulated socket with that number, or NULL. */
struct rill__socket *rill__socket_of(struct rill__sim *sim, int fd);
void rill__socket_hold(struct rill__socket *socket);
void rill__socket_release(struct rill__sim *sim, struct rill__socket *socket);
/* Carries out the op of `flight` on its socket: the result, or RILL__SIM_WAIT. */
int rill__socket_try(struct rill__sim *sim, struct rill__flight *flight);
/* Sockets whose numbers somebody closed behind our back are closed. True: there were some. */
bool rill__socket_sweep(struct rill__sim *sim);
void rill__sockets_fini(struct rill__sim *sim);
struct rill__socket *rill__socket_make(struct rill__sim *sim, int family, int type);
void rill__socket_free(struct rill__sim *sim, struct rill__socket *socket);
/* A real descriptor for a simulated socket: its number is what counts. */
int rill__socket_number(struct rill__sim *sim, struct rill__socket *taken, int flags);
/* The number is closed. */
void rill__socket_forget(struct rill__sim *sim, struct rill__socket *socket);
/* -EAGAIN for what would have to wait. */
int rill__never_wait(int result);

/* --- net_call.c --- */

/* An op of the second kind. False: it is about something else. */
bool rill__socket_call(struct rill__sim *sim, struct rill__op *op, int *ret_result);

/* --- connect.c --- */

void rill__addr_of_op(const struct rill__op *op, rill_addr *ret_addr);
/* Whether who is bound to `local` gets what is sent to `wanted`. */
bool rill__socket_fits(const rill_addr *local, const rill_addr *wanted);
/* Whether what is sent there vanishes: the networks that are kept for documentation. */
bool rill__addr_is_nowhere(const rill_addr *addr);
/* What an address that stands for all of this machine's looks like from `to`. */
void rill__addr_seen_from(rill_addr *addr, const rill_addr *to);
/* The socket talks to `remote`: it gets a port if it has none. */
void rill__socket_name_client(struct rill__sim *sim, struct rill__socket *socket,
                              const rill_addr *remote);
int rill__socket_connect_outside(struct rill__socket *socket, const struct rill__op *op);
int rill__socket_bind_to(struct rill__sim *sim, struct rill__socket *socket,
                         const struct rill__op *op);
int rill__socket_listen_at(struct rill__sim *sim, struct rill__socket *socket, int backlog);
int rill__socket_connect(struct rill__sim *sim, struct rill__flight *flight);
int rill__socket_accept(struct rill__sim *sim, struct rill__socket *listener, int flags);
/* Two that are connected with each other from the begin. */
int rill__socket_pair(struct rill__sim *sim, const struct rill__op *op);

/* --- octets.c: all but room and push give a result, or RILL__SIM_WAIT --- */

int rill__socket_receive(struct rill__sim *sim, struct rill__socket *socket, char *to,
                         uint32_t size, int flags);
/* Until all that was asked for is there, or the stream has ended. */
int rill__socket_receive_all(struct rill__sim *sim, struct rill__flight *flight);
int rill__socket_receive_many(struct rill__sim *sim, struct rill__flight *flight);
int rill__socket_send(struct rill__sim *sim, struct rill__socket *socket,
                      const struct rill__op *op);
int rill__socket_send_message(struct rill__sim *sim, struct rill__socket *socket,
                              const struct rill__op *op);
/* How much can be sent now; 0: it has to wait; an error. */
int rill__socket_room(struct rill__sim *sim, struct rill__socket *socket);
/* Into the pipe of the other side, if there still is one. */
void rill__socket_push(struct rill__sim *sim, struct rill__socket *socket, const char *octets,
                       uint32_t size);

/* --- datagram.c --- */

int rill__datagram_send(struct rill__sim *sim, struct rill__socket *socket,
                        const struct msghdr *message);
int rill__datagram_receive(struct rill__sim *sim, struct rill__socket *socket,
                           struct msghdr *message, int flags);
int rill__datagram_connect(struct rill__sim *sim, struct rill__socket *socket,
                           const struct rill__op *op);
void rill__datagrams_drop(struct rill__sim *sim, struct list *datagrams);

/* --- pipe.c --- */

/* How long it takes from send to arrival. */
rill_time rill__net_latency(struct rill__sim *sim, const struct rill__socket *socket);

void rill__socket_note(struct rill__sim *sim, const struct rill__socket *socket, int what,
                       int64_t much);
/* Try what waits at the socket again. */
void rill__socket_wake(struct rill__sim *sim, struct rill__socket *socket);
/* `size` octets that were put into the pipe of `to` are on their way; so is the end, or a reset. */
void rill__pipe_send(struct rill__sim *sim, struct rill__socket *to, uint32_t size);
void rill__pipe_send_end(struct rill__sim *sim, struct rill__socket *to);
void rill__pipe_send_reset(struct rill__sim *sim, struct rill__socket *to);
/* A reset has arrived. */
void rill__pipe_take_reset(struct rill__sim *sim, struct rill__socket *socket);
void rill__pipe_arrive(struct rill__sim *sim, struct rill__event *event);
void rill__pipe_put(struct rill__pipe *pipe, const char *octets, uint32_t size);
void rill__pipe_look(const struct rill__pipe *pipe, char *octets, uint32_t size);
void rill__pipe_drop(struct rill__sim *sim, struct rill__socket *socket, uint32_t size);
