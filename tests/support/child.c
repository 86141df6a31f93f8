/* child.c - fork, standard error into a pipe, wait.
 *
 * The child leaves by _exit: what the parent's test would do at its exit is not the child's. */
#include "tests/support/child.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { life_s = 60 };

/* cmocka's handlers jump back into its list of tests, which must not go on in the child. */
static void die_of_faults(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigaction(faults[i], &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

static _Noreturn void run(int fd, int (*fn)(void *arg), void *arg)
{
    static const struct rlimit no_core = { 0, 0 };
    alarm(life_s);
    die_of_faults();
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(fd, STDERR_FILENO);
    close(fd);
    _exit(fn(arg));
}

/* All that comes until the end, of which the buffer keeps the beginning. */
static void collect(struct child *child, int fd)
{
    char rest[512];
    size_t used = 0;
    ssize_t got;
    do {
        size_t room = sizeof child->text - 1 - used;
        got = read(fd, room > 0 ? child->text + used : rest, room > 0 ? room : sizeof rest);
        if (got > 0 && room > 0)
            used += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    child->text[used] = 0;
}

int child_run(struct child *child, int (*fn)(void *arg), void *arg)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run(ends[1], fn, arg);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -EAGAIN;
    }
    collect(child, ends[0]);
    close(ends[0]);
    while (waitpid(pid, &child->status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

struct alone {
    int (*fn)(void *arg);
    void *arg;
};

/* Limits of processes do not hold for root: nobody is what it becomes. */
static int run_alone(void *arg)
{
    static const struct rlimit itself = { 1, 1 };

    enum { nobody = 65534 };

    const struct alone *alone = arg;
    if (geteuid() == 0 && setresuid(nobody, nobody, nobody) < 0)
        return CHILD_CANNOT;
    return setrlimit(RLIMIT_NPROC, &itself) < 0 ? CHILD_CANNOT : alone->fn(alone->arg);
}

int child_run_alone(struct child *child, int (*fn)(void *arg), void *arg)
{
    struct alone alone = { fn, arg };
    return child_run(child, run_alone, &alone);
}
