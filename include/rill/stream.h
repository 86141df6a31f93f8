/* stream.h - streams: connected sockets with a read buffer, back-pressure, and one writer at a time.
 *
 * Reading: the kernel fills receive buffers ahead of the reader; rill_stream_peek shows them in place and
 * rill_stream_consume takes octets away, so that a parser never copies. Above the limit the stream stops
 * receiving until the reader catches up.
 * Writing: writes up to 4 KiB are gathered in a buffer of 16 KiB and sent once a turn, larger ones are sent
 * from the caller's memory without a copy; a write waits while there is no room, so memory is bounded.
 * Closing says that no more is written; the stream goes when what was written is out, and its memory with the
 * last reference. A stream is closed before its loop is: one that is left then keeps its descriptor for good.
 * A connection that breaks, in a receive or a send, is broken for both: what is unsent is lost, every further
 * call has the error, and closing waits for nothing. Only after -EPIPE or -ECONNRESET from a send does reading
 * go on, to the octets that the other side sent before it went.
 *
 *     rill_span text;
 *     int rc;
 *     while ((rc = rill_stream_peek(s, 1, &text)) > 0) {
 *         rc = rill_stream_write(s, text.at, text.size, NULL);
 *         if (rc < 0) break;
 *         rill_stream_consume(s, text.size);
 *     }
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/text.h>
#include <rill/time.h>

typedef struct rill_stream rill_stream;
typedef struct rill_addr rill_addr;
struct iovec;

/* All zero: the defaults. */
typedef struct rill_stream_opts {
    size_t
        read_limit; /* octets received ahead of the reader before receiving pauses, and the most that
                          may stand before a separator; 64 KiB */
} rill_stream_opts;

/* A server: listening sockets, and a task for each connection.
 *
 *     static int shout(rill_stream *s, void *arg) {
 *         rill_span line;
 *         int rc;
 *         while ((rc = rill_stream_read_line(s, &line)) > 0)
 *             rc = rill_stream_write(s, line.at, line.size, NULL);
 *         return rc;
 *     }
 *     rill_server *server;
 *     int rc = rill_start_server("localhost", 8000, shout, NULL, NULL, &server);
 *     if (rc == 0) {
 *         rc = rill_serve_forever(server);
 *         rill_server_free(server);
 *     }
 */
typedef struct rill_server rill_server;

/* Serves one connection, as a task. The stream is borrowed until it returns. */
typedef int rill_connection_fn(rill_stream *stream, void *arg);

/* All zero: the defaults. */
typedef struct rill_server_opts {
    rill_stream_opts stream; /* of each connection */
    int backlog;             /* 4096 */
    bool reuse_port;         /* several sockets share the address */
    bool keep_path;          /* the name of a Unix socket stays when the server is closed */
} rill_server_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** A stream over the connected, non-blocking socket `fd` on the running loop.
 *  Args: `opts` may be NULL.   Returns: 0 and the stream; -ENOMEM; -ESRCH (no loop runs).
 *  Owns: takes `fd` (on failure it stays the caller's), gives one reference of the stream.   Since: 0.1 */
RILL_API int rill_stream_new(int fd, const rill_stream_opts *opts, rill_stream **ret_stream);

/** Connect to `addr`.   Returns: 0 and the stream; -ECANCELED; -ENOMEM; as socket(2) and connect(2).
 *  Owns: gives one reference.   Suspends: yes.   Like: loop.create_connection.   Since: 0.1 */
RILL_API int rill_stream_connect(const rill_addr *addr, const rill_stream_opts *opts,
                                 rill_stream **ret_stream) RILL_SUSPENDS;

/** Connect to `port` of `host`, which is looked up as by rill_getaddrinfo (dns.h). Of several addresses the families
 *  take turns; the next one is tried once one has failed or been silent for 250 ms, and the first connection wins
 *  (RFC 8305).   Args: `host` NULL or "" is localhost; `opts` may be NULL.
 *  Returns: 0 and the stream; as rill_getaddrinfo; if no address will do, the error of the first that failed, as
 *           rill_stream_connect.
 *  Owns: gives one reference.   Suspends: yes.   Like: asyncio.open_connection.   Since: 0.1 */
RILL_API int rill_open_connection(const char *host, unsigned port, const rill_stream_opts *opts,
                                  rill_stream **ret_stream) RILL_SUSPENDS;

/** Connect to the Unix socket at `path`.
 *  Returns: 0 and the stream; -EINVAL (no path); -ENAMETOOLONG; else as rill_stream_connect.
 *  Owns: gives one reference.   Suspends: yes.   Like: asyncio.open_unix_connection.   Since: 0.1 */
RILL_API int rill_open_unix_connection(const char *path, const rill_stream_opts *opts,
                                       rill_stream **ret_stream) RILL_SUSPENDS;

/** Two streams that are connected with each other.
 *  Returns: 0 and the streams; as socketpair(2) and rill_stream_new.   Owns: gives one reference of each.
 *  Suspends: no.   Since: 0.1 */
RILL_API int rill_stream_pair(const rill_stream_opts *opts, rill_stream **ret_one,
                              rill_stream **ret_other);

/** The octets that are there, once there are at least `least` of them (or all until the end of the stream).
 *  Args: `least` at most the read limit; 0 looks without waiting.
 *  Returns: 1 and *ret_octets, contiguous, valid until the next await of this task or call on this stream;
 *           0 (the stream ended and less than `least` is there; *ret_octets holds the rest);
 *           -ECANCELED (everything stays in the stream); -EBUSY (another task reads); -EINVAL (`least` too
 *           large); -EBADF (closed while we waited); the receive error, e.g. -ECONNRESET, after all octets
 *           before it were shown.
 *  Suspends: until that much is there.   Like: StreamReader.peek.   Since: 0.1 */
RILL_API int rill_stream_peek(rill_stream *stream, size_t least, rill_span *ret_octets)
    RILL_SUSPENDS;

/** Take `size` octets, at most what the last peek showed, away.   Returns: nothing.   Since: 0.1 */
RILL_API void rill_stream_consume(rill_stream *stream, size_t size);

/** Read up to `size` octets into `buf`: what is there, at least one.
 *  Returns: the octets read; 0 at the end of the stream, or for a `size` of 0; -ECANCELED; -EBUSY; -EBADF; the
 *           receive error, at once: rill_stream_peek still shows what came before it.
 *  Suspends: while nothing is there.   Like: StreamReader.read.   Since: 0.1 */
RILL_API int rill_stream_read(rill_stream *stream, void *buf, size_t size) RILL_SUSPENDS;

/** Read exactly `size` octets into `buf`.
 *  Returns: 0; -ENODATA (the stream ended before); else as rill_stream_read. *ret_got (or NULL) is set in any
 *           case; up to the read limit nothing is taken before all is there, so a cancel leaves it at 0.
 *  Suspends: until they are there.   Like: StreamReader.readexactly.   Since: 0.1 */
RILL_API int rill_stream_read_exactly(rill_stream *stream, void *buf, size_t size, size_t *ret_got)
    RILL_SUSPENDS;

/** The next line with its newline; the last one may have none.
 *  Returns: its length and the line in *ret_line, valid until the next read of this stream; 0 and an empty
 *           one at the end of the stream; -EMSGSIZE (more octets than the read limit stand before the newline:
 *           the line is thrown away, or all that is there if its end is not); -ENOMEM (nothing was taken);
 *           else as rill_stream_read.
 *  Suspends: until a line is there.   Like: StreamReader.readline.   Since: 0.1 */
RILL_API int rill_stream_read_line(rill_stream *stream, rill_span *ret_line) RILL_SUSPENDS;

/** The octets up to the first of `count` separators and with it: the one that ends first.
 *  Returns: their number, and the octets in *ret_slice, valid until the next read of this stream;
 *           -ENODATA (the stream ended before; *ret_slice has what was left); -EMSGSIZE (more octets than the
 *           read limit stand before a separator; everything stays in the stream); -EINVAL (no separator, or an
 *           empty one); -ENOMEM (nothing was taken); else as rill_stream_read.
 *  Suspends: until a separator is there.   Like: StreamReader.readuntil.   Since: 0.1 */
RILL_API int rill_stream_read_until(rill_stream *stream, const rill_span *seps, size_t count,
                                    rill_span *ret_slice) RILL_SUSPENDS;

/** Octets that are there and not consumed.   Returns: their number.   Since: 0.1 */
RILL_API size_t rill_stream_buffered(const rill_stream *stream);

/** Whether nothing more will come: the other side has ended its sending, the connection broke or is closed,
 *  even if octets are left to read.   Returns: true if so.   Since: 0.1 */
RILL_API bool rill_stream_peer_ended(const rill_stream *stream);

/** Whether everything was read: the other side has ended its sending, or the stream is closed, and nothing is
 *  left.   Returns: true if so; false also for a connection that broke.   Like: StreamReader.at_eof.
 *  Since: 0.1 */
RILL_API bool rill_stream_at_eof(const rill_stream *stream);

/** Call `fn(arg)` once, in a later turn, when the other side ends its sending or the connection breaks.
 *  Args: `fn` NULL takes the wish back.   Returns: nothing.   Since: 0.1 */
RILL_API void rill_stream_on_peer_end(rill_stream *stream, void (*fn)(void *arg), void *arg);

/** Write `size` octets, in order with all other writes.
 *  Returns: `size` (or INT_MAX, if larger) once every octet is sent or in the stream's buffer; -ECANCELED;
 *           -EPIPE, -ECONNRESET (the connection, or our half of it, is closed), or an earlier send error;
 *           -EBADF (closed while we waited). *ret_taken (or NULL) is set in any case to the octets that are
 *           sent or buffered.
 *  Suspends: while the buffer has no room, and above 4 KiB until it is sent; see rill_stream_set_limits.
 *  Like: StreamWriter.write and drain.   Since: 0.1 */
RILL_API int rill_stream_write(rill_stream *stream, const void *buf, size_t size, size_t *ret_taken)
    RILL_SUSPENDS;

/** As rill_stream_write, for up to 16 pieces.   Returns: as rill_stream_write; -EINVAL (more pieces).
 *  Suspends: as rill_stream_write.   Since: 0.1 */
RILL_API int rill_stream_writev(rill_stream *stream, const struct iovec *pieces, size_t count,
                                size_t *ret_taken) RILL_SUSPENDS;

/** Write `size` octets without waiting: all of them, or none.
 *  Returns: `size`; -EAGAIN (others wait to write, or more than the high mark is buffered); -EPIPE and others
 *           as rill_stream_write; -ENOMEM; -EMSGSIZE (above INT_MAX).
 *  Limits: the high mark, and what one call adds.   Like: StreamWriter.write.   Since: 0.1 */
RILL_API int rill_stream_try_write(rill_stream *stream, const void *buf, size_t size);

/** Set the marks of the buffer: writes are copied into it as long as that leaves at most `high` octets there,
 *  whatever their size; who has to wait, waits until at most `low` are left. rill_stream_drain then waits only
 *  above the high mark, for the low one. Without marks the buffer is a block of 16 KiB, from which writes up
 *  to 4 KiB take, and drain waits for all of it.   Args: `high` 0 buffers nothing, SIZE_MAX everything.
 *  Returns: 0; -EINVAL (`low` above `high`); -ENOMEM.   Like: transport.set_write_buffer_limits.   Since: 0.1 */
RILL_API int rill_stream_set_limits(rill_stream *stream, size_t high, size_t low);

/** Room for `size` octets at the end of the stream's own send buffer, to be filled in place and then added
 *  with rill_stream_put.   Args: `size` at most 4 KiB.
 *  Returns: the room, valid until the next call on this stream or await; NULL if the stream holds unsent
 *  octets that leave no room, failed, or there is no memory: use rill_stream_write then.   Since: 0.1 */
RILL_API char *rill_stream_room(rill_stream *stream, size_t size);

/** Add the first `size` octets of the room that rill_stream_room gave.   Returns: nothing; they are sent at
 *  the end of this turn, a failure is reported by the next write or drain.   Since: 0.1 */
RILL_API void rill_stream_put(rill_stream *stream, size_t size);

/** Send `size` octets of the file `fd` from `offset`, after everything written before.
 *  Returns: 0; -ENODATA (the file ended before); -ECANCELED; the send or read error. *ret_sent (or NULL) is
 *  set in any case.   Suspends: while the socket is full, and every 8 MiB.   Like: loop.sendfile.   Since: 0.1 */
RILL_API int rill_stream_sendfile(rill_stream *stream, int fd, uint64_t offset, uint64_t size,
                                  uint64_t *ret_sent) RILL_SUSPENDS;

/** Wait until everything written is with the kernel, or what rill_stream_set_limits says.
 *  Returns: 0; -ECANCELED; -ECONNRESET (the stream is closed); -EBADF (closed while we waited); the error that
 *  broke the connection.   Suspends: while octets are unsent.
 *  Like: StreamWriter.drain with a low-water mark of 0.   Since: 0.1 */
RILL_API int rill_stream_drain(rill_stream *stream) RILL_SUSPENDS;

/** How many octets of all that was written the other side has acknowledged: what tells a slow reader from
 *  one that has stopped, however large the socket's buffer is.
 *  Returns: the number; it only grows; all that was sent once the stream is closed.   Like: SIOCOUTQ, the other way round.   Since: 0.1 */
RILL_API uint64_t rill_stream_delivered(const rill_stream *stream);

/** Send what is left and then the end of the stream; reading goes on. Nothing can be written after it.
 *  Returns: 0, also if it was done before; -ECANCELED (nothing was changed); as rill_stream_drain.
 *  Suspends: as rill_stream_drain.
 *  Like: StreamWriter.write_eof.   Since: 0.1 */
RILL_API int rill_stream_write_eof(rill_stream *stream) RILL_SUSPENDS;

/** Let the stream wait without a task: the calling task may end, and the next octets, the end of the stream
 *  or the idle limit start `coro` in a fresh task. Octets that are there already start it at once. So an idle
 *  connection owns no stack and no buffers.
 *  The fresh task sees why it runs: octets (rill_stream_buffered is above 0), the end or an error
 *  (rill_stream_peer_ended), else the limit. When the loop ends, every parked coroutine is started, and then
 *  cancelled like any other task, so that it can clean up. Without memory for a task the start is tried
 *  again, every 100 ms; at the loop's end it is not, and the stream is aborted.
 *  Args: `idle` from now on, RILL_FOREVER for no limit; below 0 as 0: start in the next turn.
 *  Returns: 0; -EBUSY (a task reads it); -ESHUTDOWN (the loop ends); -ESRCH (its loop does not run).
 *  Owns: takes the caller's reference and gives it to `coro`. Until that starts the stream must not be read; what was
 *  written before is sent. Who keeps a pointer may park it again, which replaces limit and coroutine, or
 *  close or abort it: then `coro` never starts, and the reference and what `coro.arg` points to are the
 *  caller's to release.
 *  A wish of rill_stream_on_peer_end is gone.   Since: 0.1 */
RILL_API int rill_stream_park(rill_stream *stream, rill_time idle, rill_coro coro);

/** Close: what was written still goes out. If that is not possible, because a send has failed, the other side
 *  gets a reset, so that what is cut does not look whole. Whoever waits in a read or write of this stream gets
 *  -EBADF; reading goes on with what was there, and then finds the end. A second close does nothing.
 *  Returns: nothing; NULL is fine.
 *  Limits: a peer that does not read holds the rest up for as long as it likes, see rill_stream_abort.
 *  Like: StreamWriter.close.   Since: 0.1 */
RILL_API void rill_stream_close(rill_stream *stream);

/** Drop what is not sent, also after rill_stream_close, and close at once with a reset to the other side.
 *  Whoever waits gets -EBADF.   Returns: nothing; NULL is fine.   Like: transport.abort.   Since: 0.1 */
RILL_API void rill_stream_abort(rill_stream *stream);

/** Wait until `stream` is closed: what was written is out and the descriptor has gone.
 *  Returns: 0; the error that broke the connection, at once if nobody has closed it; -ECANCELED (it closes
 *  nevertheless).   Suspends: until then.   Like: StreamWriter.wait_closed.   Since: 0.1 */
RILL_API int rill_stream_wait_closed(rill_stream *stream) RILL_SUSPENDS;

/** One more reference.   Returns: `stream`.   Owns: gives one.   Since: 0.1 */
RILL_API rill_stream *rill_stream_ref(rill_stream *stream);

/** Drop one reference. With the last one the stream is closed, unless it was, and then its memory goes.
 *  Returns: nothing.   Owns: takes the reference; NULL is fine.   Since: 0.1 */
RILL_API void rill_stream_unref(rill_stream *stream);

/** The socket behind the stream, for socket options.   Returns: the descriptor, borrowed; -1 once the stream is
 *  closed.   Since: 0.1 */
RILL_API int rill_stream_fd(const rill_stream *stream);

/** Listen at `port` of `host` and start `handler(stream, arg)` as a task for each connection.
 *  When the handler returns, its reference is dropped, which closes the stream unless somebody else refers to
 *  it; an error of the handler closes it in any case, and is told to the loop's error handler once; a cancel
 *  is not told. If accepting fails, for descriptors or memory, that is told, and tried again after 100 ms.
 *  Args: `host` is looked up as by rill_getaddrinfo, and the server listens at all that is found; NULL or ""
 *  stands for all addresses; a `port` of 0 takes a free one, the same one for all addresses if it can be; `opts`
 *  may be NULL.
 *  Returns: 0 and the server; -ENOMEM; -ECANCELED; as rill_getaddrinfo; as rill_listen, of an address whose family
 *           the machine has.
 *  Owns: gives the server; rill_server_free ends it. `arg` lives as long as the handlers.
 *  Suspends: while a name is looked up.   Like: asyncio.start_server.   Since: 0.1 */
RILL_API int rill_start_server(const char *host, unsigned port, rill_connection_fn *handler,
                               void *arg, const rill_server_opts *opts, rill_server **ret_server)
    RILL_SUSPENDS;

/** As rill_start_server, with a Unix socket at `path`. A socket that is there already is replaced; the name goes
 *  when the server is closed, unless it is somebody else's by then.
 *  Returns: as rill_start_server; -EINVAL (no path); -ENAMETOOLONG; -EADDRINUSE (something else is there).
 *  Like: asyncio.start_unix_server.   Since: 0.1 */
RILL_API int rill_start_unix_server(const char *path, rill_connection_fn *handler, void *arg,
                                    const rill_server_opts *opts, rill_server **ret_server)
    RILL_SUSPENDS;

/** The address at which a server listens, or did: the first one of several.   Returns: it.
 *  Like: Server.sockets.   Since: 0.1 */
RILL_API rill_addr rill_server_address(const rill_server *server);

/** Whether `server` is not closed.   Returns: true if so.   Like: Server.is_serving.   Since: 0.1 */
RILL_API bool rill_server_is_serving(const rill_server *server);

/** Listen no more; connections go on. A second close does nothing.   Returns: nothing; NULL is fine.
 *  Like: Server.close.   Since: 0.1 */
RILL_API void rill_server_close(rill_server *server);

/** Close the streams of all connections, as rill_stream_close: what was written still goes out. A handler that
 *  returns the -EBADF or -EPIPE that it then gets is not reported.   Returns: nothing; NULL is fine.
 *  Like: Server.close_clients.   Since: 0.1 */
RILL_API void rill_server_close_clients(rill_server *server);

/** Abort the streams of all connections, as rill_stream_abort.   Returns: nothing; NULL is fine.
 *  Like: Server.abort_clients.   Since: 0.1 */
RILL_API void rill_server_abort_clients(rill_server *server);

/** Wait until `server` is closed and all its connections are; handlers may still run then.
 *  Returns: 0; -ECANCELED.   Suspends: until then.   Like: Server.wait_closed.   Since: 0.1 */
RILL_API int rill_server_wait_closed(rill_server *server) RILL_SUSPENDS;

/** Wait until this task is cancelled, by Ctrl-C for one; then close `server` and wait for its connections. These
 *  last as long as their handlers want: whoever will not wait for them calls rill_server_close_clients, or bounds
 *  it with a grace (rill_loop_opts, rill_scope_set_grace); a second Ctrl-C ends the process.
 *  Returns: -ECANCELED; -ESHUTDOWN (it is closed, or somebody closed it); -EBUSY (another task is here).
 *  Suspends: until then.   Like: Server.serve_forever.   Since: 0.1 */
RILL_API int rill_serve_forever(rill_server *server) RILL_SUSPENDS;

/** Close `server`, unless it is, and give it back. Connections go on.
 *  Returns: nothing.   Owns: takes it; NULL is fine.   Since: 0.1 */
RILL_API void rill_server_free(rill_server *server);

#ifdef __cplusplus
}
#endif
