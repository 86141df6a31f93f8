/* bench_echo.c - TCP echo over streams: CPU time of the server per message. See echo.h. */
#include "bench/micro/echo.h"
#include "bench/micro/micro.h"

#include <rill/loop.h>
#include <rill/net.h>
#include <rill/stream.h>

#include <errno.h>

static unsigned long messages;
static int open_connections;

static int echo(rill_stream *stream, void *server)
{
    rill_span octets;
    int rc;
    open_connections++;
    while ((rc = rill_stream_peek(stream, 1, &octets)) > 0) {
        rc = rill_stream_write(stream, octets.at, octets.size, NULL);
        if (rc < 0)
            break;
        rill_stream_consume(stream, octets.size);
        messages++;
    }
    if (--open_connections == 0)
        rill_server_close(*(rill_server **)server);
    return rc == -ECONNRESET ? 0 : rc;
}

static int serve(void *arg)
{
    rill_server *server;
    (void)arg;
    int rc = rill_start_server("127.0.0.1", 0, echo, &server, NULL, &server);
    if (rc < 0)
        return rc;
    rill_addr at = rill_server_address(server);
    pid_t client = echo_start_client(rill_addr_port(&at));
    double begun = micro_cpu_ns();
    rc = rill_server_wait_closed(server);
    double spent = micro_cpu_ns() - begun;
    rill_server_free(server);
    if (rc == 0 && (!echo_client_is_content(client) || messages < ECHO_MESSAGES))
        rc = -EIO;
    if (rc == 0)
        micro_report("echo", spent / ECHO_MESSAGES, "ns");
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(serve, NULL)));
}
