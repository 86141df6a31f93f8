/* dir.h - what is in a directory, entry by entry.
 *
 * The kernel has no asynchronous way to list a directory. So entries are read in blocks of 8 KiB, some two
 * hundred names, each block in a turn of its own: a large directory does not hold up other tasks for longer
 * than one block takes. That is some ten microseconds if the directory is cached, else the loop stands still
 * until the disk has given the block. To list cold or remote directories, use a thread.
 *
 *     rill_dir_entry entry;
 *     rill_dir *dir;
 *     int r = rill_dir_open("/etc", &dir);
 *     if (r == 0) {
 *         while ((r = rill_dir_next(dir, &entry)) > 0)
 *             puts(entry.name);
 *         r = rill_first_error(r, rill_dir_close(dir));
 *     }
 */
#pragma once

#include <rill/base.h>

typedef struct rill_dir rill_dir;

typedef struct rill_dir_entry {
    const char *name; /* valid until the next call for this directory */
    uint64_t inode;
    unsigned char
        type; /* DT_REG, DT_DIR and so on of <dirent.h>; DT_UNKNOWN: ask rill_file_stat_path */
} rill_dir_entry;

#ifdef __cplusplus
extern "C" {
#endif

/** The directory at `path`, to be listed.
 *  Returns: 0 and the directory; -ECANCELED; -ENOMEM; as open(2): -ENOTDIR (it is something else).
 *  Owns: gives the directory.   Suspends: yes.   Like: os.scandir.   Since: 0.1 */
RILL_API int rill_dir_open(const char *path, rill_dir **ret_dir) RILL_SUSPENDS;

/** The next entry, in no order; `.` and `..` are left out. What is added or removed meanwhile may be seen or not.
 *  Returns: 1 and the entry; 0 (that was all); -ECANCELED (no entry was skipped); as getdents64(2): -ENOENT (the
 *           directory itself was removed).
 *  Suspends: before each block.   Since: 0.1 */
RILL_API int rill_dir_next(rill_dir *dir, rill_dir_entry *ret_entry) RILL_SUSPENDS;

/** End a listing. No task may be in rill_dir_next.
 *  Returns: 0; as close(2); the directory is gone in any case.   Args: NULL is fine.
 *  Owns: takes `dir`.   Suspends: no.   Since: 0.1 */
RILL_API int rill_dir_close(rill_dir *dir);

#ifdef __cplusplus
}
#endif
