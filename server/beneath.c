/* beneath.c - files below a directory that the configuration names. */
#include "server/beneath.h"

#include <rill/file.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

int beneath_open(int root, const char *path, bool links)
{
    enum { tries = 3 };

    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -EAGAIN;
    if (!links)
        how.resolve |= RESOLVE_NO_SYMLINKS;
    /* EAGAIN: a rename raced, and the kernel could not tell whether the path left the root. */
    for (int i = 0; i < tries && fd == -EAGAIN; i++)
        fd = rill_file_openat2(root, path, &how);
    return fd;
}
