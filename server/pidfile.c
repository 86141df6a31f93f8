/* pidfile.c - the file that tells others the master's process id. */
#include "server/pidfile.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int pidfile_write(const char *path)
{
    static char temporary[4096]; /* not on the stack: frames are bounded in releases */
    if ((size_t)snprintf(temporary, sizeof temporary, "%s~", path) >= sizeof temporary)
        return -ENAMETOOLONG;
    FILE *file = fopen(temporary, "we");
    if (file == NULL)
        return -errno;
    fprintf(file, "%d\n", (int)getpid());
    int rc = ferror(file) ? -EIO : 0;
    if (fclose(file) != 0 && rc == 0)
        rc = -errno;
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
