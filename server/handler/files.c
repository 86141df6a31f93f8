/* files.c - static files below one directory. (server/http/RULES.md, Files)
 *
 * Opening. A file is opened by openat2 below the descriptor of the root, so the kernel keeps the path
 * inside it, links included; no path is ever joined to another or looked at twice. What is open is
 * looked at with fstat, so nothing can change between the look and the use.
 *
 * The cache. A hit costs no system call and no allocation: the answer was made before. Once a second,
 * on use, a file is opened again by the same rules: that alone tells what the path leads to now, be
 * it written to, replaced or reached by another link. If it is the same state of the same file
 * nothing changes, else a new file takes the place of the old one. Answers are never changed, as
 * they may be on their way; a file modified less than two seconds ago (its tag is weak, its body
 * is not kept in memory) becomes a new one at the next look.
 *
 * Bodies up to 64 KiB are read into memory at the second use, behind the head. */
#include "server/handler/handler.h"

#include "server/beneath.h"
#include "server/conf/conf.h"
#include "server/filecache.h"
#include "server/filereply.h"
#include "server/http/mime.h"

#include <rill/file.h>
#include <rill/http.h>
#include <rill/mem.h>

#include <errno.h>
#include <sys/stat.h>

struct files {
    const struct conf_files *conf;
    struct filecache *cache;
    uint64_t owner; /* of our files in the cache */
    int root;       /* the generation's descriptor */
    struct reply_fields fields;
    struct mime_types types;
    rill_arena arena; /* of `types` */
};

#define BIT(id) (UINT64_C(1) << RILL_HTTP_FIELD_##id)

/* Fields that make an answer depend on more than the path. If-Range does so only beside Range. */
#define SPECIAL                                                                               \
    (BIT(IF_MATCH) | BIT(IF_NONE_MATCH) | BIT(IF_MODIFIED_SINCE) | BIT(IF_UNMODIFIED_SINCE) | \
     BIT(RANGE))

/* --- Opening --- */

/* A regular file or a directory that was found below the root. */
struct found {
    int fd;
    struct stat stat;
    const char *name; /* what its type is told from */
};

/* Open `path`, which may be a regular file or, if `directory` is not NULL, a directory.
 * Returns: 0 and the file; 0 and true in *directory; -ENOENT (another kind of file); -errno. */
static int open_below(const struct files *files, const char *path, struct found *ret_found,
                      bool *directory) RILL_SUSPENDS;

static int open_below(const struct files *files, const char *path, struct found *ret_found,
                      bool *directory)
{
    bool links = files->conf->symlinks != CONF_SYMLINKS_NONE;
    int fd = beneath_open(files->root, path, links);
    if ((fd == -EMFILE || fd == -ENFILE) && filecache_shed(files->cache))
        fd = beneath_open(files->root, path, links);
    if (fd < 0)
        return fd;
    int r = rill_file_stat(fd, &ret_found->stat);
    if (r == 0 && S_ISREG(ret_found->stat.st_mode)) {
        ret_found->fd = fd;
        ret_found->name = path;
        return 0;
    }
    rill_file_close(fd);
    if (r == 0 && directory != NULL && S_ISDIR(ret_found->stat.st_mode))
        *directory = true;
    else if (r == 0)
        r = -ENOENT;
    return r;
}

/* Look for the names of `index` in the directory `path`, which ends in a slash or is empty. */
static int open_index(const struct files *files, struct request *request, rill_span path,
                      struct found *ret_found) RILL_SUSPENDS;

static int open_index(const struct files *files, struct request *request, rill_span path,
                      struct found *ret_found)
{
    for (size_t i = 0; i < files->conf->index_count; i++) {
        rill_span name = files->conf->index[i];
        char *whole = rill_arena_alloc(request->arena, path.size + name.size + 1);
        if (whole == NULL)
            return -ENOMEM;
        rill_text text = { whole, path.size + name.size + 1, 0, false };
        rill_text_add(&text, path);
        rill_text_add(&text, name);
        int r = open_below(files, rill_text_end(&text), ret_found, NULL);
        if (r != -ENOENT)
            return r;
    }
    return -ENOENT;
}

/* A path with an empty segment (repeated slashes are significant, and the kernel would fold them),
 * or with a hidden one: a dot in front, but for .well-known. */
static bool is_secret(rill_span path, bool hidden_too)
{
    size_t start = 0;
    for (size_t i = 0; i <= path.size; i++) {
        if (i < path.size && path.at[i] != '/')
            continue;
        rill_span segment = { path.at + start, i - start };
        if (segment.size == 0 && i < path.size)
            return true;
        if (!hidden_too && segment.size > 0 && segment.at[0] == '.' &&
            !rill_span_equal(segment, RILL_SPAN(".well-known")))
            return true;
        start = i + 1;
    }
    return false;
}

/* Find what the request asks for.
 * Returns: 0 and the file; 0 and true in *ret_directory (a directory without its slash); -errno. */
static int find(const struct files *files, struct request *request, struct found *ret_found,
                bool *ret_directory) RILL_SUSPENDS;

static int find(const struct files *files, struct request *request, struct found *ret_found,
                bool *ret_directory)
{
    *ret_directory = false;
    if (request->encoded_slash || is_secret(request->tail, files->conf->hidden))
        return -ENOENT;
    int r = request_keep(request);
    if (r < 0)
        return r;
    rill_span tail = request->tail;
    if (tail.size == 0 || tail.at[tail.size - 1] == '/')
        return open_index(files, request, tail, ret_found);
    const char *path = rill_arena_copy(request->arena, tail.at, tail.size);
    return path == NULL ? -ENOMEM : open_below(files, path, ret_found, ret_directory);
}

/* What a failed open means for the client: all that tells nothing is 404. */
static int status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -EXDEV: /* out of the root */
    case -ELOOP:
    case -ENXIO: /* a socket */
    case -ENODEV: return 404;
    case -EACCES:
    case -EPERM: return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN: return 503;
    default: return 500;
    }
}

/* --- Answers --- */

static void plain_error(const struct files *files, struct request *request, int status,
                        struct reply *ret_reply)
{
    static const rill_span none = { NULL, 0 };
    reply_error_with(request->arena, status, none, none, &files->fields, ret_reply);
}

/* --- Serving --- */

/* Look at the file system. *file is what the cache has, held by us, or NULL; it becomes the file that
 * the path leads to now, held by us.
 * Returns: 0; 1 (the reply is the answer, and there is no file); -errno (likewise, no reply). */
static int look(const struct files *files, struct request *request, struct file **file,
                struct reply *ret_reply) RILL_SUSPENDS;

static int look(const struct files *files, struct request *request, struct file **file,
                struct reply *ret_reply)
{
    struct file *old = *file;
    struct found found;
    bool directory;
    if (old != NULL)
        old->checked = request->now; /* meanwhile others use it as it is */
    int r = find(files, request, &found, &directory);
    if (r == 0 && !directory && old != NULL && !old->fresh &&
        filecache_is_same(&old->stat, &found.stat)) {
        rill_file_close(found.fd);
        return 0;
    }
    *file = NULL;
    if (r == 0 && !directory) {
        struct filereply_source source = {
            .owner = files->owner,
            .path = request->tail,
            .fd = found.fd,
            .stat = &found.stat,
            .type = mime_find(rill_span_of(found.name), &files->types),
            .fields = &files->fields,
        };
        r = filereply_make(&source, request->now, file);
    }
    if (r == 0 && *file != NULL) {
        (*file)->checked = request->now;
        filecache_put(files->cache, *file, request->now);
    } else if (old != NULL) {
        filecache_drop(files->cache, old);
    }
    if (old != NULL)
        filecache_file_unref(old);
    if (r == 0 && directory) {
        reply_add_slash(request->arena, 301, request->path, request->query, &files->fields,
                        ret_reply);
        return 1;
    }
    return r;
}

/* At its second use a file's body goes into memory, unless it may still be changing. A body that
 * cannot be read is no error here: the file is sent from its descriptor.
 * Returns: 0; -ECANCELED. */
static int admit(const struct files *files, struct request *request, struct file *file)
    RILL_SUSPENDS;

static int admit(const struct files *files, struct request *request, struct file *file)
{
    if (!file->node.hot && !file->fresh)
        return 0;
    file->ready = true;
    if (file->fresh || request_keep(request) < 0)
        return 0;
    int r = filecache_load(files->cache, file);
    return r == -ECANCELED ? r : 0;
}

/* An answer that needs more than a look into the cache. `file` is what the cache has, or NULL. */
static int serve_slowly(const struct files *files, struct request *request, struct file *file,
                        struct reply *ret_reply) RILL_SUSPENDS;

static int serve_slowly(const struct files *files, struct request *request, struct file *file,
                        struct reply *ret_reply)
{
    int r = 0;
    if (file != NULL)
        filecache_file_ref(file);
    if (file == NULL || file->checked != request->now)
        r = look(files, request, &file, ret_reply);
    if (r == 0 && !file->ready)
        r = admit(files, request, file);
    if (r == 0)
        r = filereply_answer(request, file, &files->fields, ret_reply);
    if (file != NULL)
        filecache_file_unref(file);
    if (r >= 0 || r == -ECANCELED)
        return r < 0 ? r : 0;
    int status = status_of(r);
    if (status == 500)
        request->failure = r;
    plain_error(files, request, status, ret_reply);
    return 0;
}

static int files_serve(void *state, struct request *request, struct reply *ret_reply)
{
    const struct files *files = state;
    struct file *file = filecache_find(files->cache, files->owner, request->tail, request->now);
    if (file == NULL || file->checked != request->now || !file->ready ||
        (request->head->known & SPECIAL) != 0)
        return serve_slowly(files, request, file, ret_reply);
    filecache_file_ref(file);
    *ret_reply = file->full;
    return 0;
}

/* --- Life --- */

/* The types of the configuration, completed. */
static int make_types(struct files *files)
{
    const struct conf_files *conf = files->conf;
    struct mime_type *types = rill_arena_alloc_zero(&files->arena, conf->type_count, sizeof *types);
    if (types == NULL)
        return -ENOMEM;
    files->types = (struct mime_types){ types, conf->type_count };
    for (size_t i = 0; i < conf->type_count; i++) {
        types[i].extension = conf->types[i].name;
        int r = mime_complete(&files->arena, conf->types[i].value, &types[i].type);
        if (r < 0)
            return r;
    }
    return 0;
}

static void files_close(void *state)
{
    struct files *files = state;
    if (files == NULL)
        return;
    filecache_forget(files->cache, files->owner);
    rill_arena_fini(&files->arena);
    rill_free(files);
}

static int files_open(const struct conf_route *conf, const struct handler_env *env,
                      void **ret_state)
{
    int root = env->directory(env->generation, conf->files.root);
    if (root < 0)
        return root;
    struct files *files = rill_alloc_zero(1, sizeof *files);
    if (files == NULL)
        return -ENOMEM;
    files->conf = &conf->files;
    files->cache = env->files;
    files->owner = filecache_owner(env->files);
    files->root = root;
    files->fields = (struct reply_fields){ conf->header, conf->header_count };
    int r = make_types(files);
    if (r < 0) {
        files_close(files);
        return r;
    }
    *ret_state = files;
    return 0;
}

const struct handler handler_files = {
    .name = "files",
    .methods = 1u << RILL_HTTP_GET | 1u << RILL_HTTP_HEAD,
    .open = files_open,
    .close = files_close,
    .serve = files_serve,
};
