/* dir.c - listing a directory: one block of entries at a time, each in a turn of its own.
 *
 * There is no ring operation for getdents64, so it is a plain call of the op interface, kept short by
 * the size of the block. The block lies in the directory's own memory: a cancel loses no entry. */
#include "core/io/io.h"

#include <rill/dir.h>
#include <rill/file.h>
#include <rill/mem.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { block_size = 8 << 10 };

struct rill_dir {
    int fd;
    uint32_t at, size; /* of what was read into `block` */
    bool ended;
    _Alignas(struct dirent64) char block[block_size];
};

int rill_dir_open(const char *path, rill_dir **ret_dir)
{
    struct rill_dir *dir = rill_alloc(sizeof *dir);
    if (dir == NULL)
        return -ENOMEM;
    int fd = rill_file_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        rill_free(dir);
        return fd;
    }
    dir->fd = fd;
    dir->at = dir->size = 0;
    dir->ended = false;
    *ret_dir = dir;
    return 0;
}

static int fill(struct rill_dir *dir)
{
    struct rill__op op = {
        .kind = RILL__OP_GETDENTS, .fd = dir->fd, .addr = dir->block, .size = block_size
    };
    int r = rill__io_now(&op);
    if (r < 0)
        return r;
    dir->at = 0;
    dir->size = (uint32_t)r;
    dir->ended = r == 0;
    return 0;
}

/* Whether the block has an entry that is told; others are passed over. */
static bool take(struct rill_dir *dir, rill_dir_entry *ret_entry)
{
    while (dir->at < dir->size) {
        const struct dirent64 *entry = (const void *)(dir->block + dir->at);
        dir->at += entry->d_reclen;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *ret_entry = (rill_dir_entry){ entry->d_name, entry->d_ino, entry->d_type };
        return true;
    }
    return false;
}

int rill_dir_next(rill_dir *dir, rill_dir_entry *ret_entry)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    while (!take(dir, ret_entry)) {
        if (dir->ended)
            return rill__await_ready(task, 0);
        r = rill_sleep(0);
        if (r == 0 && dir->at == dir->size) /* else another task of this listing was faster */
            r = fill(dir);
        if (r < 0)
            return r;
    }
    return rill__await_ready(task, 1);
}

int rill_dir_close(rill_dir *dir)
{
    if (dir == NULL)
        return 0;
    int r = rill_file_close(dir->fd);
    rill_free(dir);
    return r;
}
