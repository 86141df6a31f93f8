/* pidfile.c - the file that tells others the master's process id. */
#include "server/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int pidfile_write(const char *path)
{
    static char temporary[4096]; /* not on the stack: frames are bounded in releases */
    if ((size_t)snprintf(temporary, sizeof temporary, "%s~", path) >= sizeof temporary)
        return -ENAMETOOLONG;
    unlink(temporary); /* what is made is a new file, whatever a link there leads to */
    int fd = openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int rc = dprintf(fd, "%d\n", (int)getpid()) < 0 ? -errno : 0;
    close(fd);
    if (rc == 0 && rename(temporary, path) < 0)
        rc = -errno;
    if (rc < 0)
        unlink(temporary);
    return rc;
}

void pidfile_remove(const char *path)
{
    int pid = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    int got = fscanf(file, "%d", &pid);
    fclose(file);
    if (got == 1 && pid == (int)getpid())
        unlink(path);
}
