/* daemon.c - a rilld of the test's own. See daemon.h. */
#include "tests/support/daemon.h"
#include "tests/support/fetch.h"

#include <errno.h>
#include <fts.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char hello[] = "  /hello:\n    respond:\n      body: \"one\\n\"\n";

bool daemon_can_run(void)
{
    const char *path = getenv("RILLD");
    if (path == NULL || access(path, X_OK) != 0) {
        printf("RILLD does not name a program: run the test through ctest\n");
        return false;
    }
    /* In a child: a ring that is closed still interrupts calls of its process for a while. */
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct io_uring_params params = { 0 };
        _exit(syscall(SYS_io_uring_setup, 1, &params) < 0 ? errno : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return false;
    if (WEXITSTATUS(status) != 0)
        printf("there is no io_uring here: %s\n", strerror(WEXITSTATUS(status)));
    return WEXITSTATUS(status) == 0;
}

int daemon_configure(struct daemon *daemon, const struct daemon_options *options)
{
    char next[112];
    snprintf(next, sizeof next, "%s.next", daemon->config);
    FILE *file = fopen(next, "w");
    if (file == NULL)
        return -errno;
    fprintf(file, "workers: %d\n%slisten:\n  - 127.0.0.1:%d\nroutes:\n%s", DAEMON_WORKERS,
            options->top != NULL ? options->top : "log:\n  access: off\n", daemon->port,
            options->routes != NULL ? options->routes : hello);
    if (fclose(file) != 0 || rename(next, daemon->config) != 0)
        return -errno;
    return 0;
}

int daemon_make(struct daemon *daemon)
{
    int port = daemon->port;
    *daemon = (struct daemon){ .port = port > 0 ? port : fetch_free_port() };
    snprintf(daemon->folder, sizeof daemon->folder, "/tmp/rilld-test-XXXXXX");
    if (mkdtemp(daemon->folder) == NULL) {
        daemon->folder[0] = '\0';
        return -errno;
    }
    (void)!chmod(daemon->folder, 0777); /* the workers are another user, if the test runs as root */
    snprintf(daemon->config, sizeof daemon->config, "%s/rilld.yaml", daemon->folder);
    return 0;
}

int daemon_start(struct daemon *daemon, const struct daemon_options *options)
{
    char socket_variable[96], watchdog[64];
    const char *env[] = { socket_variable, NULL, NULL };
    int rc = daemon->folder[0] != '\0' ? 0 : daemon_make(daemon);
    if (rc == 0)
        rc = daemon_configure(daemon, options);
    if (rc == 0 && (rc = proc_notify_open(&daemon->notify)) == 0)
        daemon->is_notifying = true;
    if (rc != 0)
        return rc;
    snprintf(socket_variable, sizeof socket_variable, "NOTIFY_SOCKET=%s", daemon->notify.path);
    if (options->watchdog_usec != NULL) {
        snprintf(watchdog, sizeof watchdog, "WATCHDOG_USEC=%s", options->watchdog_usec);
        env[1] = watchdog;
    }
    const char *argv[] = { getenv("RILLD"), "--config", daemon->config, NULL };
    struct proc_spec spec = { .argv = argv,
                              .env = env,
                              .in_child = options->in_child,
                              .listen_fds = options->listen_fds,
                              .listen_fd_count = options->listen_fd_count };
    return proc_start(&daemon->proc, &spec);
}

int daemon_start_ready(struct daemon *daemon, const struct daemon_options *options)
{
    int rc = daemon_start(daemon, options);
    if (rc == 0)
        rc = daemon_await_notice(daemon, "READY=1", DAEMON_READY_MS);
    if (rc != 0 && daemon->proc.pid > 0)
        printf("rilld is not ready: %s\n", proc_text(&daemon->proc, PROC_ERR));
    return rc;
}

int daemon_await_notice(struct daemon *daemon, const char *line, int timeout_ms)
{
    char text[1024];
    for (long end = proc_now_ms() + timeout_ms; proc_now_ms() < end;) {
        int rc = proc_notify_next(&daemon->notify, text, sizeof text, 20);
        if (rc == 0 && strstr(text, line) != NULL)
            return 0;
        if (rc == -ETIME && proc_has_ended(&daemon->proc))
            return -ESRCH;
    }
    return -ETIME;
}

int daemon_workers(struct daemon *daemon, pid_t ret_pids[DAEMON_WORKERS])
{
    pid_t children[PROC_CHILDREN_MAX];
    if (proc_children(daemon->proc.pid, children) != DAEMON_WORKERS)
        return -ESRCH;
    memcpy(ret_pids, children, DAEMON_WORKERS * sizeof *children);
    return 0;
}

int daemon_await_new_worker(struct daemon *daemon, pid_t gone, int timeout_ms)
{
    pid_t pids[DAEMON_WORKERS];
    for (long end = proc_now_ms() + timeout_ms; proc_now_ms() < end; proc_pause())
        if (daemon_workers(daemon, pids) == 0 && pids[0] != gone && pids[1] != gone)
            return 0;
    return -ETIME;
}

static void remove_folder(char *folder)
{
    char *folders[] = { folder, NULL };
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info != FTS_D)
            remove(entry->fts_accpath);
    if (tree != NULL)
        fts_close(tree);
}

void daemon_fini(struct daemon *daemon)
{
    if (daemon->proc.pid > 0)
        proc_fini(&daemon->proc);
    if (daemon->is_notifying)
        proc_notify_close(&daemon->notify);
    if (daemon->folder[0] != '\0')
        remove_folder(daemon->folder);
    *daemon = (struct daemon){ 0 };
}
