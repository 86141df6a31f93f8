/* plainfile.h - the file calls of <rill/file.h> as plain system calls, under a test's control.
 *
 * A test that includes this (in one file) needs no loop. Each call first runs `plainfile.hook`, which can do
 * what another task would do meanwhile; a call can be made to fail; and descriptors are counted. */
#pragma once

#include <rill/file.h>

#include <errno.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum plainfile_call { PLAINFILE_OPEN, PLAINFILE_STAT, PLAINFILE_READ, PLAINFILE_CALLS };

static struct plainfile {
    void (*hook)(enum plainfile_call call);
    int open;                        /* descriptors opened and not closed */
    unsigned count[PLAINFILE_CALLS]; /* calls made */
    int fail_from[PLAINFILE_CALLS], fail_to[PLAINFILE_CALLS]; /* calls that fail, from 1 */
    int error;                                                /* with this */
    size_t read_max; /* 0, or octets a read gives at most */
} plainfile;

static int plainfile_enter(enum plainfile_call call)
{
    int count = (int)++plainfile.count[call];
    if (plainfile.hook != NULL) {
        void (*hook)(enum plainfile_call which) = plainfile.hook;
        plainfile.hook = NULL;
        hook(call);
        if (plainfile.hook == NULL)
            plainfile.hook = hook;
    }
    return count >= plainfile.fail_from[call] && count <= plainfile.fail_to[call] ? plainfile.error
                                                                                  : 0;
}

/* Let calls `from` to `to` of a kind fail, counted from now. */
static inline void plainfile_fail(enum plainfile_call call, int from, int to, int error)
{
    plainfile.count[call] = 0;
    plainfile.fail_from[call] = from;
    plainfile.fail_to[call] = to;
    plainfile.error = error;
}

int rill_file_openat2(int dirfd, const char *path, const struct open_how *how)
{
    int r = plainfile_enter(PLAINFILE_OPEN);
    if (r < 0)
        return r;
    r = (int)syscall(SYS_openat2, dirfd, path, how, sizeof *how);
    plainfile.open += r >= 0;
    return r < 0 ? -errno : r;
}

int rill_file_stat(int fd, struct stat *ret_stat)
{
    int r = plainfile_enter(PLAINFILE_STAT);
    return r < 0 ? r : fstat(fd, ret_stat) < 0 ? -errno : 0;
}

int rill_file_read(int fd, void *buf, size_t size, uint64_t offset)
{
    int r = plainfile_enter(PLAINFILE_READ);
    if (r < 0)
        return r;
    if (plainfile.read_max > 0 && size > plainfile.read_max)
        size = plainfile.read_max;
    ssize_t got = pread(fd, buf, size, (off_t)offset);
    return got < 0 ? -errno : (int)got;
}

int rill_file_close(int fd)
{
    plainfile.open--;
    return close(fd) < 0 ? -errno : 0;
}
