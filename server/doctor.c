/* doctor.c - why there is no io_uring here, and what to do about it.
 *
 * Runs in a worker that could not make its ring, after it gave up its rights, since the sysctl and
 * the memlock limit look at who asks. The texts are those that operations promise. */
#include "server/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Ring memory that one worker locks: its queues and its registered buffers, rounded up. */
#define WORKER_MEMLOCK ((uint64_t)1536 << 10)

static int read_sysctl(void)
{
    char octet = 0;
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, &octet, 1);
    close(fd);
    return got == 1 && octet >= '0' && octet <= '9' ? octet - '0' : -1;
}

void doctor_look(unsigned workers, struct doctor_facts *ret_facts)
{
    struct rlimit limit = { 0 };
    getrlimit(RLIMIT_MEMLOCK, &limit);
    ret_facts->sysctl = read_sysctl();
    ret_facts->memlock = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    ret_facts->workers = workers;
}

void doctor_size(rill_text *text, uint64_t size)
{
    if (size == UINT64_MAX)
        rill_text_add(text, RILL_SPAN("unlimited"));
    else if (size > 0 && size % (1 << 20) == 0)
        rill_text_fmt(text, "%llum", (unsigned long long)(size >> 20));
    else if (size > 0 && size % (1 << 10) == 0)
        rill_text_fmt(text, "%lluk", (unsigned long long)(size >> 10));
    else
        rill_text_u64(text, size);
}

static void explain_memlock(const struct doctor_facts *facts, rill_text *text)
{
    uint64_t need = facts->workers * WORKER_MEMLOCK;
    rill_text_add(text, RILL_SPAN("RLIMIT_MEMLOCK is "));
    doctor_size(text, facts->memlock);
    rill_text_fmt(text, ", %u worker%s need%s ", facts->workers, facts->workers == 1 ? "" : "s",
                  facts->workers == 1 ? "s" : "");
    doctor_size(text, need);
    rill_text_add(text, RILL_SPAN(" ("));
    doctor_size(text, 2 * need);
    rill_text_add(text, RILL_SPAN(" during an upgrade): set LimitMEMLOCK"));
}

void doctor_explain(int code, const char *problem, const struct doctor_facts *facts,
                    rill_text *text)
{
    rill_text_fmt(text, "cannot create an io_uring: %s. ", rill_errname(code));
    if (code == -EPERM && facts->sysctl > 0)
        rill_text_fmt(text,
                      "kernel.io_uring_disabled is %d: set it to 0, or to 1 with "
                      "kernel.io_uring_group",
                      facts->sysctl);
    else if (code == -EPERM)
        rill_text_add(text, RILL_SPAN("The sysctl allows it, so a seccomp filter (container "
                                      "profile) forbids io_uring_setup"));
    else if (code == -ENOSYS)
        rill_text_add(text, RILL_SPAN("The kernel lacks io_uring or a seccomp filter hides it"));
    else if (code == -ENOMEM && facts->memlock < facts->workers * WORKER_MEMLOCK * 2)
        explain_memlock(facts, text);
    else
        rill_text_add(text, rill_span_of(problem != NULL ? problem : rill_strerror(code)));
}
