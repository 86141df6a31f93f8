/* filecache.h - a worker's cache of open files, their answers and their small bodies.
 *
 * A `struct file` is an open regular file with its whole answers, made by the files handler. It is
 * reference counted and, but for its body that may be loaded later, never changed: an answer that is being sent
 * keeps what it points to. The cache finds files by an owner (a route of one generation) and a
 * path, keeps those that are used, and lets go of the rest. When a file must be looked at again is
 * the handler's to decide. Everything belongs to one worker and one thread, and files are closed
 * by its loop: it must still run when the last reference goes. */
#pragma once

#include "server/reply.h"

#include <rill/text.h>

#include <sys/stat.h>

/* The cache's own part of a file. */
struct filecache_node {
    struct file *next;          /* in the same bucket */
    struct file *newer, *older; /* in the order of use; NULL: not in the cache */
    uint64_t owner, hash;
    rill_span path;  /* in the file's memory, followed by a zero octet */
    uint32_t refs;   /* the cache's, and one for each answer */
    bool hot;        /* was used more than once: on the list that a crawl does not empty */
    int64_t touched; /* second of its last move in the order of use */
    size_t bytes;    /* counted against the limit */
};

struct file {
    struct filecache_node node;
    int fd;
    struct stat stat;
    /* The handler's: see files.c. The replies refer to the file and release it. */
    struct reply full, not_modified;
    rill_span type, etag; /* in the file's memory */
    int64_t modified;     /* as in Last-Modified */
    bool fresh;      /* modified so lately that the answers must be made anew at the next look */
    bool ready;      /* nothing is left to do on a use in the second of `checked` */
    bool loading;    /* a task is reading the body */
    int64_t checked; /* second of the last look at the file system */
    char *block;     /* NULL, or head and body: `full` lies in it */
};

/* All zero: the defaults. */
struct filecache_opts {
    size_t bytes_max; /* memory of all files together; 32 MiB */
    size_t file_max;  /* files, each with an open descriptor; 1024, or an eighth of the limit */
    size_t body_max;  /* a larger body is never loaded; 64 KiB */
};

struct filecache;

/* An empty cache; `opts` may be NULL.   Returns: 0; -ENOMEM.
 * Owns: gives the cache; filecache_free ends it. */
int filecache_new(const struct filecache_opts *opts, struct filecache **ret_cache);

/* End the cache; files in answers live on until they are released. NULL is fine. */
void filecache_free(struct filecache *cache);

/* A number that stands for one owner and is never used again. */
uint64_t filecache_owner(struct filecache *cache);

/* A new file, not in the cache: node, fd and stat are set, `room` octets of memory lie behind
 * it, and one reference is the caller's.
 * Returns: 0; -ENOMEM (`fd` stays the caller's).   Owns: takes `fd`, gives the file. */
int filecache_file_new(uint64_t owner, rill_span path, int fd, const struct stat *stat, size_t room,
                       struct file **ret_file, char **ret_memory);

/* One reference more, one less; the last one closes the file. */
static inline void filecache_file_ref(struct file *file)
{
    file->node.refs++;
}

void filecache_file_unref(struct file *file);

/* The file that the cache has for a path; `now` in seconds.
 * Returns: a file, valid until the task suspends unless the caller takes a reference; or NULL. */
struct file *filecache_find(struct filecache *cache, uint64_t owner, rill_span path, int64_t now);

/* Put a file into the cache, in place of one of the same owner and path. It stays the caller's too.
 * What the cache has too much of then goes, so perhaps the file itself. */
void filecache_put(struct filecache *cache, struct file *file, int64_t now);

/* Take a file out of the cache, if it is there. */
void filecache_drop(struct filecache *cache, struct file *file);

/* Take all files of an owner out. */
void filecache_forget(struct filecache *cache, uint64_t owner);

/* Take the file out that is worth least, to get its descriptor and memory back.
 * Returns: whether there was one. */
bool filecache_shed(struct filecache *cache);

/* Move the body of a file behind a copy of the head of `full`, so that one send does both. The
 * file must be held by the caller. Nothing is changed if it is too large, if another task does it
 * already, or if the file changed meanwhile: then it is still sent from its descriptor.
 * Returns: 0, done or not; -ENOMEM; -ECANCELED; what reading the file gives.
 * Suspends: while it reads. */
int filecache_load(struct filecache *cache, struct file *file) RILL_SUSPENDS;

/* Whether two looks at a file saw the same state of the same file. */
bool filecache_is_same(const struct stat *a, const struct stat *b);

/* Files in the cache, and their memory. */
size_t filecache_count(const struct filecache *cache);
size_t filecache_bytes(const struct filecache *cache);
