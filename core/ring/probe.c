/* probe.c - what this kernel can do, tried and not guessed, and the exact cause when there is no ring.
 *
 * The texts are kept per thread for rill_ring_problem and rill_ring_features; nothing is printed here. */
#include "core/ring/probe.h"

#include "core/ring/uapi.h"

#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { operations_most = 256 }; /* that the kernel wants to be asked for */

static _Thread_local char problem[256], features[96];

/* The value of kernel.io_uring_disabled: '0', '1', '2', or 0 if there is no such setting. */
static char disabled_setting(void)
{
    char value = 0;
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, &value, 1) != 1)
        value = 0;
    close(fd);
    return value;
}

static void explain_refusal(rill_text *text)
{
    char setting = disabled_setting();
    if (setting == '1' || setting == '2')
        rill_text_fmt(
            text, "kernel.io_uring_disabled is %c: set it to 0, or to 1 with kernel.io_uring_group",
            setting);
    else
        rill_text_fmt(text, "The sysctl allows it, so a seccomp filter (container profile) forbids "
                            "io_uring_setup");
}

static void explain_memory(rill_text *text, unsigned cq_entries)
{
    struct rlimit limit = { 0 };
    getrlimit(RLIMIT_MEMLOCK, &limit);
    unsigned long need = (cq_entries * 16UL + 256 * 64UL + (64UL << 10)) >> 10;
    if (limit.rlim_cur == RLIM_INFINITY)
        rill_text_fmt(text, "The machine has no memory for a ring");
    else
        rill_text_fmt(text,
                      "RLIMIT_MEMLOCK is %luk for all rings of this user together, one ring needs "
                      "about %luk: raise it (LimitMEMLOCK, ulimit -l)",
                      (unsigned long)(limit.rlim_cur >> 10), need);
}

void rill__probe_failed(int error, unsigned cq_entries)
{
    rill_text text = { problem, sizeof problem, 0, false };
    rill_text_fmt(&text, "cannot create an io_uring: %s. ", rill_errname(error));
    switch (error) {
    case -EPERM:
    case -EACCES: explain_refusal(&text); break;
    case -ENOSYS:
        rill_text_fmt(&text, "The kernel lacks io_uring or a seccomp filter hides it");
        break;
    case -ENOMEM: explain_memory(&text, cq_entries); break;
    case -EINVAL: rill_text_fmt(&text, "The kernel is older than 6.1"); break;
    case -EMFILE:
    case -ENFILE: rill_text_fmt(&text, "No descriptor is left: raise LimitNOFILE"); break;
    default: rill_text_fmt(&text, "%s", rill_strerror(error)); break;
    }
    rill_text_end(&text);
}

void rill__probe_clear(void)
{
    problem[0] = features[0] = 0;
}

void rill__probe_found(bool registered, bool silent_sends, bool no_iowait, bool truncate)
{
    static const char *const names[] = { "registered ring", "silent sends", "no iowait",
                                         "truncate" };
    const bool found[] = { registered, silent_sends, no_iowait, truncate };
    rill_text text = { features, sizeof features, 0, false };
    for (int pass = 0; pass < 2; pass++) {
        const char *before = pass == 0 ? "" : "; not: ";
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (found[i] == (pass == 0)) {
                rill_text_fmt(&text, "%s%s", before, names[i]);
                before = ", ";
            }
    }
    rill_text_end(&text);
}

const char *rill_ring_features(void)
{
    return features[0] != 0 ? features : NULL;
}

const char *rill_ring_problem(void)
{
    return problem[0] != 0 ? problem : NULL;
}

/* An operation that we use and the kernel has not; -1: it has them all. */
static int find_missing(const struct io_uring_probe *probe)
{
    static const int used[] = {
        IORING_OP_ACCEPT,   IORING_OP_CONNECT, IORING_OP_RECV,         IORING_OP_SEND,
        IORING_OP_SENDMSG,  IORING_OP_RECVMSG, IORING_OP_POLL_ADD,     IORING_OP_READ,
        IORING_OP_WRITE,    IORING_OP_FSYNC,   IORING_OP_ASYNC_CANCEL, IORING_OP_OPENAT2,
        IORING_OP_READV,    IORING_OP_WRITEV,  IORING_OP_STATX,        IORING_OP_RENAMEAT,
        IORING_OP_UNLINKAT, IORING_OP_MKDIRAT,
    };
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        if (!io_uring_opcode_supported(probe, used[i]))
            return used[i];
    return -1;
}

int rill__probe_operations(struct io_uring *ring, bool *ret_truncate)
{
    rill_text text = { problem, sizeof problem, 0, false };
    struct io_uring_probe *probe =
        rill_alloc_zero(1, sizeof *probe + operations_most * sizeof *probe->ops);
    if (probe == NULL)
        return -ENOMEM;
    int r = io_uring_register_probe(ring, probe, operations_most), missing = -1;
    if (r < 0)
        rill_text_fmt(&text,
                      "cannot ask the io_uring what it can do: %s. A seccomp filter (container "
                      "profile) forbids io_uring_register",
                      rill_errname(r));
    else if ((missing = find_missing(probe)) >= 0)
        rill_text_fmt(&text, "this kernel's io_uring lacks operation %d, which rill needs",
                      missing);
    else
        *ret_truncate = io_uring_opcode_supported(probe, RILL__URING_FTRUNCATE) != 0;
    rill_text_end(&text);
    rill_free(probe);
    return r < 0 ? r : missing < 0 ? 0 : -ENOSYS;
}
