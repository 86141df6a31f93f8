/* proc.c - programs run by a test. See proc.h. */
#include "tests/support/proc.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_LISTEN_FD = 3, LISTEN_FDS_MAX = 16 };

long proc_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void proc_pause(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* A memory file that is appended to, as a log is: several processes print into it. */
static int capture_fd(int memory)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    return open(path, O_WRONLY | O_APPEND);
}

static int pass_listen_fds(const struct proc_spec *spec)
{
    char number[16];
    int high[LISTEN_FDS_MAX];
    if (spec->listen_fd_count > LISTEN_FDS_MAX)
        return -1;
    /* First out of the way, then down, so that no copy hits one that is still to be made. */
    for (int i = 0; i < spec->listen_fd_count; i++)
        high[i] = fcntl(spec->listen_fds[i], F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i < spec->listen_fd_count; i++)
        if (high[i] < 0 || dup2(high[i], FIRST_LISTEN_FD + i) < 0)
            return -1;
    snprintf(number, sizeof number, "%d", spec->listen_fd_count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    return 0;
}

static void clean_environment(const char *const *env)
{
    static const char *const manager[] = { "NOTIFY_SOCKET",  "LISTEN_FDS",    "LISTEN_PID",
                                           "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID" };
    for (size_t i = 0; i < sizeof manager / sizeof *manager; i++)
        unsetenv(manager[i]);
    for (; env != NULL && *env != NULL; env++)
        putenv((char *)(uintptr_t)*env);
}

_Noreturn static void become(const struct proc *proc, const struct proc_spec *spec)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies takes its programs along */
    int in = open("/dev/null", O_RDONLY);
    int out = capture_fd(proc->files[PROC_OUT]), err = capture_fd(proc->files[PROC_ERR]);
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    close(in);
    close(out);
    close(err);
    clean_environment(spec->env);
    if (spec->listen_fd_count > 0 && pass_listen_fds(spec) != 0)
        _exit(126);
    if (spec->in_child != NULL && spec->in_child() != 0)
        _exit(126);
    execv(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
    _exit(127);
}

int proc_start(struct proc *proc, const struct proc_spec *spec)
{
    *proc = (struct proc){ .pidfd = -1, .files = { -1, -1 } };
    for (int i = 0; i < 2; i++)
        if ((proc->files[i] = memfd_create("proc", MFD_CLOEXEC)) < 0)
            goto fail;
    proc->pid = fork();
    if (proc->pid < 0)
        goto fail;
    if (proc->pid == 0)
        become(proc, spec);
    setpgid(proc->pid, proc->pid); /* both sides do: whoever is first */
    proc->pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
    if (proc->pidfd >= 0)
        return 0;
fail:;
    int failed = -errno;
    proc_fini(proc);
    return failed;
}

int proc_wait(struct proc *proc, int timeout_ms)
{
    struct pollfd ended = { proc->pidfd, POLLIN, 0 };
    int status;
    if (proc->ended)
        return -ESRCH;
    if (poll(&ended, 1, timeout_ms) <= 0)
        return -ETIME;
    if (waitpid(proc->pid, &status, 0) < 0)
        return -errno;
    proc->ended = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : PROC_SIGNALLED + WTERMSIG(status);
}

bool proc_has_ended(const struct proc *proc)
{
    struct pollfd ended = { proc->pidfd, POLLIN, 0 };
    return proc->ended || poll(&ended, 1, 0) > 0;
}

int proc_signal(struct proc *proc, int signal_number)
{
    if (proc->ended)
        return -ESRCH;
    return kill(proc->pid, signal_number) == 0 ? 0 : -errno;
}

int proc_freeze(pid_t pid)
{
    char path[32], stat[128];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (kill(pid, SIGSTOP) != 0)
        return -errno;
    for (long end = proc_now_ms() + 5000; proc_now_ms() < end; proc_pause()) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
        close(fd);
        stat[size < 0 ? 0 : size] = '\0';
        const char *state = strrchr(stat, ')'); /* the name before it may hold anything */
        if (state != NULL && strncmp(state, ") T", 3) == 0)
            return 0;
    }
    return -ETIME;
}

const char *proc_text(struct proc *proc, enum proc_stream stream)
{
    off_t size = lseek(proc->files[stream], 0, SEEK_END);
    char *text = rill_resize(proc->text[stream], size < 0 ? 1 : (size_t)size + 1);
    if (text == NULL)
        return "";
    proc->text[stream] = text;
    ssize_t got = pread(proc->files[stream], text, (size_t)(size < 0 ? 0 : size), 0);
    text[got < 0 ? 0 : got] = '\0';
    return text;
}

int proc_await_text(struct proc *proc, enum proc_stream stream, const char *text, int timeout_ms)
{
    for (long end = proc_now_ms() + timeout_ms;; proc_pause()) {
        bool is_over = proc_has_ended(proc);
        if (strstr(proc_text(proc, stream), text) != NULL)
            return 0;
        if (is_over)
            return -ESRCH;
        if (proc_now_ms() >= end)
            return -ETIME;
    }
}

int proc_children(pid_t pid, pid_t ret_pids[PROC_CHILDREN_MAX])
{
    char path[64], list[1024];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), count = 0;
    if (fd < 0)
        return -errno;
    ssize_t size = read(fd, list, sizeof list);
    close(fd);
    for (ssize_t i = 0; i < size && count < PROC_CHILDREN_MAX;) {
        const char *space = memchr(list + i, ' ', (size_t)(size - i));
        size_t digits = space == NULL ? 0 : (size_t)(space - list - i);
        uint64_t child;
        if (rill_parse_u64((rill_span){ list + i, digits }, INT32_MAX, &child) != 0)
            break;
        ret_pids[count++] = (pid_t)child;
        i += (ssize_t)digits + 1;
    }
    return count;
}

int proc_adopt_orphans(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : -errno;
}

void proc_fini(struct proc *proc)
{
    if (proc->pid > 0) {
        kill(-proc->pid, SIGKILL);
        if (!proc->ended)
            waitpid(proc->pid, NULL, 0);
        while (waitpid(-proc->pid, NULL, 0) > 0) /* orphans that became ours */
            ;
        close(proc->pidfd);
    }
    for (int i = 0; i < 2; i++) {
        rill_free(proc->text[i]);
        if (proc->pid > 0 || proc->files[i] > 0)
            close(proc->files[i]);
    }
    *proc = (struct proc){ .pidfd = -1, .files = { -1, -1 } };
}

/* An abstract name needs no file and vanishes with the socket. */
int proc_notify_open(struct proc_notify *notify)
{
    static int made;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0)
        return -errno;
    snprintf(notify->path, sizeof notify->path, "@rill-test-%d-%d", (int)getpid(), made++);
    size_t size = strlen(notify->path);
    memcpy(address.sun_path + 1, notify->path + 1, size - 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (bind(notify->fd, (struct sockaddr *)&address, length) == 0)
        return 0;
    int failed = -errno;
    close(notify->fd);
    return failed;
}

int proc_notify_next(struct proc_notify *notify, char *ret_text, size_t size, int timeout_ms)
{
    struct pollfd readable = { notify->fd, POLLIN, 0 };
    if (poll(&readable, 1, timeout_ms) <= 0)
        return -ETIME;
    ssize_t got = recv(notify->fd, ret_text, size - 1, 0);
    if (got < 0)
        return -errno;
    ret_text[got] = '\0';
    return 0;
}

void proc_notify_close(struct proc_notify *notify)
{
    close(notify->fd);
}
