/* launch.c - what the master does before its first fork, and what it tells about it.
 *
 * Everything that can be wrong with the machine, the configuration or the addresses is found here,
 * told on standard error, and ends the start. */
#include "server/launch.h"

#include "server/doctor.h"
#include "server/inherit.h"
#include "server/log.h"
#include "server/reload.h"
#include "server/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    static const int handled[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 };
    static const int ignored[] = { SIGPIPE, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH };
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&set, handled[i]);
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &ignore, NULL);
    sigprocmask(SIG_SETMASK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int fail(const char *what, int code)
{
    fprintf(stderr, "rilld: %s: %s\n", what, rill_strerror(code));
    return EXIT_FAILURE;
}

/* Everything before the first fork.   Returns: 0, or the exit status. */
int launch_prepare(struct master *master)
{
    char why_memory[256];
    rill_text why = { why_memory, sizeof why_memory, 0, false };
    int rc = generation_reserve();
    if (rc < 0)
        return fail("cannot reserve memory for the configuration", rc);
    rc = privs_raise_limits(&master->limits);
    if (rc < 0)
        return fail("cannot raise the limits", rc);
    master->signal_fd = open_signals();
    if (master->signal_fd < 0)
        return fail("cannot take signals", master->signal_fd);
    rc = shm_init(CONF_WORKERS_MAX, &master->pages);
    if (rc < 0)
        return fail("cannot share memory", rc);
    if (reload_first(master) < 0)
        return EXIT_FAILURE;
    const struct conf *conf = master->current->conf;
    if (privs_find(conf->user, conf->group, &master->privs, &why) < 0) {
        if (conf->user.size > 0)
            fprintf(stderr, "%s:%u:%u: error: %s\n", conf->source.at, conf->user_place.line,
                    conf->user_place.column, rill_text_end(&why));
        else
            fprintf(stderr, "rilld: %s\n", rill_text_end(&why));
        return DOCTOR_EXIT;
    }
    return 0;
}

static void log_listeners(const struct master *master)
{
    unsigned most = listen_backlog_max();
    for (unsigned i = 0; i < master->sockets.count; i++) {
        const struct listener *listener = master->sockets.listeners[i];
        log_line(LOG_INFO, "listen", "listening on %s, %u socket%s", listener->name,
                 listener->socket_count, listener->socket_count == 1 ? "" : "s");
        if (listener->backlog > most && !listener->inherited)
            log_line(LOG_WARNING, "listen", "net.core.somaxconn caps its backlog of %u to %u",
                     listener->backlog, most);
    }
}

/* A service manager without the right to raise a limit lowers it silently, so tell what there is. */
void launch_log(struct master *master)
{
    const struct conf *conf = master->current->conf;
    char memory[256];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_fmt(&text, "%u workers, descriptors ", master_workers(conf));
    doctor_size(&text, master->limits.descriptors);
    rill_text_add(&text, RILL_SPAN(", memlock "));
    doctor_size(&text, master->limits.memlock);
    rill_text_fmt(&text, ", %u connections a worker", serve_connections_most(conf));
    if (master->privs.change)
        rill_text_fmt(&text, ", workers run as %s", master->privs.name);
    log_line(LOG_INFO, "master", "%s", rill_text_end(&text));
    if (!master->privs.change && conf->user.size > 0)
        log_line(LOG_WARNING, "master", "`user` is ignored: not started as root");
    log_listeners(master);
    if (master->sockets.unfit_count > 0)
        log_line(LOG_WARNING, "listen",
                 "%u inherited descriptors are no listening stream sockets: closed",
                 master->sockets.unfit_count);
    unsigned unused = inherit_close_unused(&master->sockets);
    if (unused > 0)
        log_line(LOG_WARNING, "listen", "%u inherited sockets are not configured: closed", unused);
}
