/* spawn.c - children: started, signalled and reaped by the kernel's own names for them; pipes to them.
 *
 * posix_spawn(3) shares our memory with the child until that has its program, so its cost does not grow
 * with ours, and a program that cannot be executed is an error here. The child begins with no signal
 * blocked, and with SIGPIPE and SIGXFSZ doing what they do by default; exec itself takes back what we
 * catch. It has the descriptors that it is to have and no others, whatever flags ours have.
 *
 * A pidfd names one process and no later one with its number. A descriptor is held for it before there
 * is a child: one that nobody could watch would be lost. */
#include "core/op/spawn.h"

#include "core/ring/call.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Pipes. --- */

/* The child's end lies above the three that it is copied to, else one copy could overwrite another. */
int rill__pipe_open(int ret_fds[2], int ours)
{
    int fds[2], theirs = 1 - ours;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    int moved = fds[theirs] > 2 ? fds[theirs] : fcntl(fds[theirs], F_DUPFD_CLOEXEC, 3);
    if (moved < 0 || fcntl(fds[ours], F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(fds[0]);
        close(fds[1]);
        errno = error;
        return -1;
    }
    if (moved != fds[theirs])
        close(fds[theirs]);
    ret_fds[ours] = fds[ours];
    ret_fds[theirs] = moved;
    return 0;
}

ssize_t rill__pipe_write(int fd, const void *octets, size_t size)
{
    const struct timespec now = { 0, 0 };
    sigset_t set, before, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    ssize_t r = write(fd, octets, size);
    int error = errno;
    if (r < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0)
        (void)sigtimedwait(&set, NULL, &now); /* that of this write */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return r;
}

/* --- What the child finds. --- */

static int set_attributes(posix_spawnattr_t *attributes, const struct rill__spawn *spawn)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, plain;
    sigemptyset(&none);
    sigemptyset(&plain);
    sigaddset(&plain, SIGPIPE);
    sigaddset(&plain, SIGXFSZ);
    if (spawn->group)
        flags |= POSIX_SPAWN_SETPGROUP; /* 0, as it is: a group of its own */
    if (spawn->session)
        flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &plain);
    return posix_spawnattr_setflags(attributes, flags);
}

static int place(posix_spawn_file_actions_t *actions, int number, int fd)
{
    static const int modes[] = { O_RDONLY, O_WRONLY, O_WRONLY };
    if (fd == RILL__SPAWN_INHERIT)
        return 0;
    if (fd == RILL__SPAWN_NULL)
        return posix_spawn_file_actions_addopen(actions, number, "/dev/null", modes[number], 0);
    return posix_spawn_file_actions_adddup2(actions, fd == RILL__SPAWN_OUTPUT ? 1 : fd, number);
}

/* Whether `fd` is one of those that are passed; *most is raised to the highest of them. */
static bool is_passed(const struct rill__spawn *spawn, int fd, int *most)
{
    bool found = false;
    for (size_t i = 0; i < spawn->pass_count; i++) {
        found = found || spawn->pass[i] == fd;
        *most = spawn->pass[i] > *most ? spawn->pass[i] : *most;
    }
    return found;
}

static int keep_passed(posix_spawn_file_actions_t *actions, const struct rill__spawn *spawn)
{
    int most = 2, r = 0;
    (void)is_passed(spawn, -1, &most);
    for (int fd = 3; fd <= most && r == 0; fd++)
        r = is_passed(spawn, fd, &most) /* a copy onto itself takes close-on-exec away */
                ? posix_spawn_file_actions_adddup2(actions, fd, fd)
                : posix_spawn_file_actions_addclose(actions, fd);
    return r != 0 ? r : posix_spawn_file_actions_addclosefrom_np(actions, most + 1);
}

/* First of all the directory, whose descriptor may be one of the standard ones. */
static int set_actions(posix_spawn_file_actions_t *actions, const struct rill__spawn *spawn,
                       int cwd)
{
    int r = cwd >= 0 ? posix_spawn_file_actions_addfchdir_np(actions, cwd) : 0;
    for (int number = 0; number < 3 && r == 0; number++)
        r = place(actions, number, spawn->fds[number]);
    return r != 0 ? r : keep_passed(actions, spawn);
}

/* --- Which program. --- */

struct plan {
    struct rill__spawn *spawn;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
};

static char *const *environment(const struct rill__spawn *spawn)
{
    return spawn->env != NULL ? (char *const *)(uintptr_t)spawn->env : environ;
}

static int execute(const struct plan *plan, const char *path)
{
    struct rill__spawn *spawn = plan->spawn;
    return posix_spawn(&spawn->pid, path, &plan->actions, &plan->attributes,
                       (char *const *)(uintptr_t)spawn->argv, environment(spawn));
}

/* The child's own PATH is the one that counts. */
static const char *search_path(const struct rill__spawn *spawn)
{
    for (char *const *entry = environment(spawn); *entry != NULL; entry++)
        if (strncmp(*entry, "PATH=", 5) == 0)
            return *entry + 5;
    return "/bin:/usr/bin";
}

/* One that is nowhere costs no child. */
static bool is_missing(const char *path)
{
    return path[0] == '/' && access(path, X_OK) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Try each directory in turn; the first that is there and cannot be executed is told only if nothing else
 * can. */
static int execute_somewhere(const struct plan *plan, const char *name)
{
    const char *at = search_path(plan->spawn);
    size_t length = strlen(name);
    int r = ENOENT;
    char *path = rill_alloc(strlen(at) + length + 2);
    if (path == NULL)
        return ENOMEM;
    for (bool more = true; more; at++) {
        size_t size = strcspn(at, ":");
        memcpy(path, at, size);
        if (size > 0)
            path[size++] = '/';
        memcpy(path + size, name, length + 1);
        int tried = is_missing(path) ? ENOENT : execute(plan, path);
        if (tried == 0 || (r == ENOENT && tried != ENOTDIR))
            r = tried;
        if (tried == 0)
            break;
        at += strcspn(at, ":");
        more = *at == ':';
    }
    rill_free(path);
    return r;
}

/* 0 or an errno. */
static int start_in(struct rill__spawn *spawn, int cwd)
{
    struct plan plan = { .spawn = spawn };
    const char *name = spawn->argv[0];
    int r = posix_spawnattr_init(&plan.attributes);
    if (r != 0)
        return r;
    r = posix_spawn_file_actions_init(&plan.actions);
    if (r == 0) {
        r = set_attributes(&plan.attributes, spawn);
        if (r == 0)
            r = set_actions(&plan.actions, spawn, cwd);
        if (r == 0)
            r = strchr(name, '/') != NULL ? execute(&plan, name) : execute_somewhere(&plan, name);
        posix_spawn_file_actions_destroy(&plan.actions);
    }
    posix_spawnattr_destroy(&plan.attributes);
    return r;
}

/* The directory is opened here: what is wrong with it is not what is wrong with the program. */
static int start(struct rill__spawn *spawn)
{
    if (spawn->cwd == NULL)
        return start_in(spawn, -1);
    int cwd = open(spawn->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    spawn->no_cwd = cwd < 0;
    if (cwd < 0)
        return errno;
    int r = start_in(spawn, cwd);
    close(cwd);
    return r;
}

/* --- The calls. --- */

/* Of our standard descriptors, those that go to another place: copies above them. */
static int lift(struct rill__spawn *spawn, int lifted[3])
{
    for (int i = 0; i < 3; i++) {
        int fd = spawn->fds[i];
        if (fd < 0 || fd > 2 || fd == i)
            continue;
        lifted[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (lifted[i] < 0)
            return errno;
        spawn->fds[i] = lifted[i];
    }
    return 0;
}

static int pidfd_of(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    int error = fd < 0 && errno == ESRCH ? ECHILD : errno; /* SIGCHLD is ignored: it is forgotten */
    if (fd < 0 && error != ECHILD) { /* a thread took the descriptor: nobody could watch it */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    errno = error;
    return fd;
}

int rill__spawn(struct rill__spawn *spawn)
{
    int lifted[] = { -1, -1, -1 }, spare = eventfd(0, EFD_CLOEXEC);
    if (spare < 0)
        return -1;
    int error = lift(spawn, lifted);
    if (error == 0)
        error = start(spawn);
    for (int i = 0; i < 3; i++)
        if (lifted[i] >= 0)
            close(lifted[i]);
    close(spare);
    errno = error;
    return error == 0 ? pidfd_of(spawn->pid) : -1;
}

int rill__spawned_signal(const struct rill__op *op)
{
    if (op->offset != 0)
        return kill(-(pid_t)op->offset, (int)op->flags);
    return pidfd_send_signal(op->fd, (int)op->flags, NULL, 0);
}

int rill__spawned_reap(const struct rill__op *op)
{
    siginfo_t *info = op->addr;
    struct pollfd ended = { .fd = op->fd, .events = POLLIN };
    if (op->size > 0)
        (void)poll(&ended, 1, (int)op->size);
    *info = (siginfo_t){ 0 };
    if (waitid(P_PIDFD, (id_t)op->fd, info, WEXITED | WNOHANG | (int)op->flags) < 0)
        return -1;
    if (info->si_pid != 0)
        return 0;
    errno = EAGAIN;
    return -1;
}
