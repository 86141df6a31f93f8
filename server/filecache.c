/* filecache.c - a worker's cache of open files, their answers and their small bodies.
 *
 * Two lists hold the files in the order of use. A file starts on the cold one; a second use moves
 * it to the hot one, which holds at most three quarters of the files and gives its oldest back to
 * the cold list. What goes, goes from the cold end first. So a crawl that asks for everything once
 * passes through a quarter of the cache and leaves the rest alone, and what was hot long ago does not
 * keep its place for ever. A file moves within a list at most once a second, so that a hit
 * costs no list work.
 *
 * The hash is keyed, so a client cannot choose paths that meet in one bucket. */
#include "server/filecache.h"

#include <rill/file.h>
#include <rill/mem.h>

#include <errno.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/resource.h>

enum { bytes_default = 32 << 20, files_default = 1024, body_default = 64 << 10 };

/* A list in the order of use: a ring through its head. */
struct use_list {
    struct file head; /* only the links of its node are used */
    size_t count;
};

struct filecache {
    uint64_t key[2];
    size_t bytes_max, file_max, body_max;
    size_t bytes;
    uint64_t last_owner;
    struct use_list hot, cold;
    size_t bucket_mask;
    struct file *buckets[];
};

/* --- The order of use --- */

static void list_clear(struct use_list *list)
{
    list->head.node.newer = list->head.node.older = &list->head;
    list->count = 0;
}

/* `older` of the head is the newest, `newer` of the head the oldest. */
static void list_add(struct use_list *list, struct file *file)
{
    struct file *head = &list->head, *newest = head->node.older;
    file->node.newer = head;
    file->node.older = newest;
    newest->node.newer = file;
    head->node.older = file;
    list->count++;
}

static void list_remove(struct use_list *list, struct file *file)
{
    file->node.newer->node.older = file->node.older;
    file->node.older->node.newer = file->node.newer;
    file->node.newer = file->node.older = NULL;
    list->count--;
}

static struct file *list_oldest(struct use_list *list)
{
    return list->count > 0 ? list->head.node.newer : NULL;
}

static struct use_list *list_of(struct filecache *cache, const struct file *file)
{
    return file->node.hot ? &cache->hot : &cache->cold;
}

/* Note a use in a new second. A file that was cold becomes hot. */
static __attribute__((noinline)) void touch(struct filecache *cache, struct file *file, int64_t now)
{
    list_remove(list_of(cache, file), file);
    file->node.hot = true;
    file->node.touched = now;
    list_add(&cache->hot, file);
    if (cache->hot.count > cache->file_max - cache->file_max / 4) {
        struct file *oldest = list_oldest(&cache->hot);
        list_remove(&cache->hot, oldest);
        oldest->node.hot = false;
        list_add(&cache->cold, oldest);
    }
}

/* --- The table --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load_eight(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t load_four(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Multiply and fold, 16 octets a step; what is left is loaded overlapping from both ends. */
static inline uint64_t hash_of(const struct filecache *cache, uint64_t owner, rill_span path)
{
    uint64_t hash = cache->key[0] ^ (owner * 0x9e3779b97f4a7c15), a = 0, b = 0;
    const char *at = path.at;
    size_t left = path.size;
    for (; left > 16; at += 16, left -= 16)
        hash = mix(load_eight(at) ^ cache->key[1], load_eight(at + 8) ^ hash);
    if (left >= 8) {
        a = load_eight(at);
        b = load_eight(at + left - 8);
    } else if (left >= 4) {
        a = load_four(at) << 32 | load_four(at + left - 4);
    } else if (left > 0) {
        a = (uint64_t)(unsigned char)at[0] << 16 | (uint64_t)(unsigned char)at[left / 2] << 8 |
            (unsigned char)at[left - 1];
    }
    return mix(mix(a ^ cache->key[1], b ^ hash), path.size ^ cache->key[1]);
}

static inline struct file *look_up(struct filecache *cache, uint64_t owner, uint64_t hash,
                                   rill_span path)
{
    struct file *file = cache->buckets[hash & cache->bucket_mask];
    while (file != NULL && !(file->node.hash == hash && file->node.owner == owner &&
                             rill_span_equal(file->node.path, path)))
        file = file->node.next;
    return file;
}

struct file *filecache_find(struct filecache *cache, uint64_t owner, rill_span path, int64_t now)
{
    struct file *file = look_up(cache, owner, hash_of(cache, owner, path), path);
    if (file != NULL && (file->node.touched != now || !file->node.hot))
        touch(cache, file, now);
    return file;
}

void filecache_drop(struct filecache *cache, struct file *file)
{
    if (file->node.newer == NULL)
        return;
    struct file **link = &cache->buckets[file->node.hash & cache->bucket_mask];
    while (*link != file)
        link = &(*link)->node.next;
    *link = file->node.next;
    list_remove(list_of(cache, file), file);
    cache->bytes -= file->node.bytes;
    filecache_file_unref(file);
}

bool filecache_shed(struct filecache *cache)
{
    struct file *file = list_oldest(&cache->cold);
    if (file == NULL)
        file = list_oldest(&cache->hot);
    if (file == NULL)
        return false;
    filecache_drop(cache, file);
    return true;
}

static void keep_limits(struct filecache *cache)
{
    while (cache->bytes > cache->bytes_max || filecache_count(cache) > cache->file_max)
        if (!filecache_shed(cache))
            return;
}

void filecache_put(struct filecache *cache, struct file *file, int64_t now)
{
    struct filecache_node *node = &file->node;
    node->hash = hash_of(cache, node->owner, node->path);
    struct file *old = look_up(cache, node->owner, node->hash, node->path);
    /* A new state of a file that was hot is hot. */
    node->hot = old != NULL && old->node.hot;
    node->touched = now;
    if (old != NULL)
        filecache_drop(cache, old);
    struct file **bucket = &cache->buckets[node->hash & cache->bucket_mask];
    node->next = *bucket;
    *bucket = file;
    list_add(list_of(cache, file), file);
    cache->bytes += node->bytes;
    node->refs++;
    keep_limits(cache);
}

void filecache_forget(struct filecache *cache, uint64_t owner)
{
    for (size_t i = 0; i <= cache->bucket_mask; i++) {
        struct file *file = cache->buckets[i];
        while (file != NULL) {
            struct file *next = file->node.next;
            if (file->node.owner == owner)
                filecache_drop(cache, file);
            file = next;
        }
    }
}

size_t filecache_count(const struct filecache *cache)
{
    return cache->hot.count + cache->cold.count;
}

size_t filecache_bytes(const struct filecache *cache)
{
    return cache->bytes;
}

uint64_t filecache_owner(struct filecache *cache)
{
    return ++cache->last_owner;
}

/* The key of the hash, from the random octets that the kernel gives every program. */
static void make_key(uint64_t key[2])
{
    const char *random = (const char *)getauxval(AT_RANDOM);
    uint64_t low = random != NULL ? load_eight(random) : 0;
    uint64_t high = random != NULL ? load_eight(random + 8) : 0;
    key[0] = mix(low ^ 0xa0761d6478bd642f, high ^ 0xe7037ed1a0b428db);
    key[1] = mix(high ^ 0x8ebc6af09c88c6e3, low ^ 0x589965cc75374cc3);
}

/* Most of the descriptors are for connections. */
static size_t default_file_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 8 >= files_default)
        return files_default;
    return limit.rlim_cur < 64 ? 8 : limit.rlim_cur / 8;
}

int filecache_new(const struct filecache_opts *opts, struct filecache **ret_cache)
{
    static const struct filecache_opts defaults = { .file_max = 0 };
    struct filecache *cache;
    size_t buckets = 16, file_max;
    if (opts == NULL)
        opts = &defaults;
    file_max = opts->file_max > 0 ? opts->file_max : default_file_max();
    while (buckets < file_max)
        buckets *= 2;
    cache = rill_alloc_zero(1, sizeof *cache + buckets * sizeof *cache->buckets);
    if (cache == NULL)
        return -ENOMEM;
    make_key(cache->key);
    cache->bytes_max = opts->bytes_max > 0 ? opts->bytes_max : bytes_default;
    cache->file_max = file_max;
    cache->body_max = opts->body_max > 0 ? opts->body_max : body_default;
    cache->bucket_mask = buckets - 1;
    list_clear(&cache->hot);
    list_clear(&cache->cold);
    *ret_cache = cache;
    return 0;
}

void filecache_free(struct filecache *cache)
{
    if (cache == NULL)
        return;
    while (filecache_shed(cache))
        ;
    rill_free(cache);
}

/* --- Files --- */

int filecache_file_new(uint64_t owner, rill_span path, int fd, const struct stat *stat, size_t room,
                       struct file **ret_file, char **ret_memory)
{
    size_t size = sizeof(struct file) + path.size + 1 + room;
    struct file *file = rill_alloc(size);
    if (file == NULL)
        return -ENOMEM;
    char *memory = (char *)(file + 1);
    memset(file, 0, sizeof *file);
    if (path.size > 0)
        memcpy(memory, path.at, path.size);
    memory[path.size] = 0;
    file->node.owner = owner;
    file->node.path = (rill_span){ memory, path.size };
    file->node.refs = 1;
    file->node.bytes = size;
    file->fd = fd;
    file->stat = *stat;
    *ret_file = file;
    *ret_memory = memory + path.size + 1;
    return 0;
}

void filecache_file_unref(struct file *file)
{
    if (--file->node.refs > 0)
        return;
    rill_file_close(file->fd);
    rill_free(file->block);
    rill_free(file);
}

bool filecache_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Read all of a file of `size` octets.
 * Returns: 1; 0 (it is shorter now, or was changed meanwhile); -errno. */
static int read_body(const struct file *file, char *at, size_t size) RILL_SUSPENDS;

static int read_body(const struct file *file, char *at, size_t size)
{
    struct stat after;
    for (size_t got = 0; got < size;) {
        int r = rill_file_read(file->fd, at + got, size - got, got);
        if (r <= 0)
            return r;
        got += (size_t)r;
    }
    int r = rill_file_stat(file->fd, &after);
    return r < 0 ? r : filecache_is_same(&file->stat, &after);
}

int filecache_load(struct filecache *cache, struct file *file)
{
    size_t size = (size_t)file->full.file_size, head_size = file->full.head_size;
    if (file->full.file_fd < 0 || file->full.file_size > cache->body_max || file->loading)
        return 0;
    char *block = rill_alloc(head_size + size);
    if (block == NULL)
        return -ENOMEM;
    file->loading = true;
    int r = read_body(file, block + head_size, size);
    file->loading = false;
    if (r <= 0) {
        rill_free(block);
        return r;
    }
    memcpy(block, file->full.head, head_size);
    file->block = block;
    file->full.head = block;
    file->full.file_fd = -1;
    file->full.file_size = 0;
    reply_body_behind(&file->full, size);
    file->node.bytes += head_size + size;
    if (file->node.newer != NULL) { /* it may have left the cache while it was read */
        cache->bytes += head_size + size;
        keep_limits(cache);
    }
    return 0;
}
