/* generation.c - one configuration generation: its sealed memory, and the descriptors that go with it.
 *
 * The memory file begins with a head that says where struct conf lies; the configuration follows.
 * Sealing needs the writable mapping to be gone first, so a load ends by mapping the file again,
 * read-only and private: before 6.7 the kernel refuses shared mappings of a write-sealed file. */
#include "server/generation.h"

#include "server/conf/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct head {
    uint64_t magic;
    const struct conf *conf;
    char pad[48]; /* the configuration starts aligned for anything */
};

#define MAGIC        UINT64_C(0x31666e6f636c6972)
#define PLACE_SIZE   ((size_t)CONF_MEMORY_SIZE + sizeof(struct head))
#define PLACE_STRIDE ((PLACE_SIZE + 4095) & ~(size_t)4095)

static char *range;
static bool taken[GENERATION_PLACES];

int generation_reserve(void)
{
    void *memory = mmap(NULL, PLACE_STRIDE * GENERATION_PLACES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    range = memory;
    return 0;
}

static char *place_at(unsigned place)
{
    return range + place * PLACE_STRIDE;
}

static int map_at(unsigned place, size_t size, int protection, int flags, int fd)
{
    void *memory = mmap(place_at(place), size, protection, flags | MAP_FIXED, fd, 0);
    return memory == MAP_FAILED ? -errno : 0;
}

/* Put the reservation back: the place is free again and faults when touched. */
static void clear_place(unsigned place)
{
    map_at(place, PLACE_STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    taken[place] = false;
}

/* --- directories --- */

rill_span generation_folder(rill_span file)
{
    size_t size = file.size;
    while (size > 1 && file.at[size - 1] != '/')
        size--;
    while (size > 1 && file.at[size - 1] == '/')
        size--;
    return (rill_span){ file.at, size };
}

static void add_dir(struct generation *generation, rill_span path, struct conf_place where)
{
    for (unsigned i = 0; i < generation->dir_count; i++)
        if (rill_span_equal(generation->dirs[i].path, path))
            return;
    generation->dirs[generation->dir_count++] = (struct generation_dir){ path, where, -1 };
}

static size_t count_references(const struct conf *conf)
{
    size_t count = 0;
    for (size_t i = 0; i < conf->route_count; i++)
        count += conf->routes[i].kind == CONF_GATHER ? conf->routes[i].gather.part_count : 1;
    return count;
}

/* The master and each worker make the same list of the same configuration, so a directory is known
 * by its index. */
static int list_dirs(struct generation *generation)
{
    const struct conf *conf = generation->conf;
    size_t most = count_references(conf);
    generation->dirs = rill_alloc_zero(most + 1, sizeof *generation->dirs);
    if (generation->dirs == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < conf->route_count; i++) {
        const struct conf_route *route = &conf->routes[i];
        if (route->kind == CONF_FILES)
            add_dir(generation, route->files.root, route->files.root_place);
        for (size_t j = 0; route->kind == CONF_GATHER && j < route->gather.part_count; j++) {
            const struct conf_part *part = &route->gather.parts[j];
            if (part->file.size > 0)
                add_dir(generation, generation_folder(part->file), part->place);
        }
    }
    return 0;
}

static void report_dir(const struct generation *generation, const struct generation_dir *dir,
                       int code, struct conf_report *report)
{
    conf_report_add(report, generation->conf->source.at, CONF_ERROR, dir->where,
                    "cannot open directory \"%s\": %s; correct the path or its permissions",
                    conf_quote(dir->path).text, rill_strerror(code));
}

static int open_dirs(struct generation *generation, struct conf_report *report)
{
    int rc = 0;
    for (unsigned i = 0; i < generation->dir_count; i++) {
        struct generation_dir *dir = &generation->dirs[i];
        static char path[4096]; /* one thread: it need not lie on the stack */
        rill_text text = { path, sizeof path, 0, false };
        rill_text_add(&text, dir->path); /* of a file's folder: no zero octet behind */
        rill_text_end(&text);
        dir->fd = text.full ? -1 : openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir->fd < 0) {
            rc = text.full ? -ENAMETOOLONG : -errno;
            report_dir(generation, dir, rc, report);
        }
    }
    return rc;
}

int generation_dir(const struct generation *generation, rill_span path)
{
    for (unsigned i = 0; i < generation->dir_count; i++)
        if (rill_span_equal(generation->dirs[i].path, path))
            return generation->dirs[i].fd;
    return -ENOENT;
}

bool generation_is_complete(const struct generation *generation)
{
    for (unsigned i = 0; i < generation->dir_count; i++)
        if (generation->dirs[i].fd < 0)
            return false;
    return true;
}

int generation_take_dirs(struct generation *generation, unsigned first, const int *fds,
                         unsigned count)
{
    if (first > generation->dir_count || count > generation->dir_count - first)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        if (generation->dirs[first + i].fd >= 0)
            return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        generation->dirs[first + i].fd = fds[i];
    return 0;
}

/* --- life --- */

static int find_place(void)
{
    for (int place = 0; place < GENERATION_PLACES; place++)
        if (!taken[place])
            return place;
    return -EBUSY;
}

static struct generation *make(uint32_t number, unsigned place, size_t size, int memory_fd)
{
    struct generation *generation = rill_alloc_zero(1, sizeof *generation);
    if (generation == NULL)
        return NULL;
    *generation = (struct generation){
        .number = number, .place = place, .refs = 1, .memory_fd = memory_fd, .size = size
    };
    taken[place] = true;
    return generation;
}

struct generation *generation_ref(struct generation *generation)
{
    generation->refs++;
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (generation == NULL || --generation->refs > 0)
        return;
    for (unsigned i = 0; i < generation->dir_count; i++)
        if (generation->dirs[i].fd >= 0)
            close(generation->dirs[i].fd);
    rill_free(generation->dirs);
    clear_place(generation->place);
    if (generation->memory_fd >= 0)
        close(generation->memory_fd);
    if (generation->freed != NULL)
        generation->freed(generation->number);
    rill_free(generation);
}

/* --- the master's side: load and seal --- */

static int read_source(const struct generation_source *source, unsigned place,
                       struct conf_report *report, const struct conf **ret_conf)
{
    char *memory = place_at(place) + sizeof(struct head);
    const struct conf_overrides *overrides = &source->overrides;
    if (source->path != NULL)
        return conf_load(source->path, overrides, memory, CONF_MEMORY_SIZE, report, ret_conf);
    return conf_from_root(source->root, source->listen, source->listen_count, overrides, memory,
                          CONF_MEMORY_SIZE, report, ret_conf);
}

/* Cut the file to what is used, make it read-only for good, and map it as the workers will. */
static int seal(struct generation *generation)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    struct head head = { .magic = MAGIC, .conf = generation->conf };
    generation->size = sizeof head + generation->conf->memory_used;
    memcpy(place_at(generation->place), &head, sizeof head);
    int rc = map_at(generation->place, PLACE_STRIDE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (rc < 0)
        return rc;
    if (ftruncate(generation->memory_fd, (off_t)generation->size) < 0 ||
        fcntl(generation->memory_fd, F_ADD_SEALS, seals) < 0)
        return -errno;
    return map_at(generation->place, generation->size, PROT_READ, MAP_PRIVATE,
                  generation->memory_fd);
}

static int load(const struct generation_source *source, struct generation *generation,
                struct conf_report *report)
{
    if (ftruncate(generation->memory_fd, (off_t)PLACE_SIZE) < 0)
        return -errno;
    int rc = map_at(generation->place, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                    generation->memory_fd);
    if (rc == 0)
        rc = read_source(source, generation->place, report, &generation->conf);
    if (rc == 0)
        rc = seal(generation);
    if (rc == 0)
        rc = conf_check_files(generation->conf, report);
    if (rc == 0)
        rc = list_dirs(generation);
    if (rc == 0)
        rc = open_dirs(generation, report);
    return rc;
}

int generation_load(const struct generation_source *source, uint32_t number,
                    struct conf_report *report, struct generation **ret_generation)
{
    int place = find_place();
    if (place < 0)
        return place;
    int fd = memfd_create("rilld-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    struct generation *generation = make(number, (unsigned)place, 0, fd);
    if (generation == NULL) {
        close(fd);
        return -ENOMEM;
    }
    int rc = load(source, generation, report);
    if (rc < 0) {
        generation_unref(generation);
        return rc;
    }
    *ret_generation = generation;
    return 0;
}

/* --- a worker's side --- */

int generation_adopt(uint32_t number, unsigned place, size_t size, int memory_fd,
                     struct generation **ret_generation)
{
    struct generation *generation = NULL;
    int rc = -EINVAL;
    if (place >= GENERATION_PLACES || taken[place] || size < sizeof(struct head) ||
        size > PLACE_SIZE)
        goto done;
    rc = map_at(place, size, PROT_READ, MAP_PRIVATE, memory_fd);
    if (rc < 0)
        goto done;
    rc = -ENOMEM;
    generation = make(number, place, size, -1);
    if (generation == NULL) {
        clear_place(place);
        goto done;
    }
    generation->conf = ((const struct head *)(void *)place_at(place))->conf;
    rc = list_dirs(generation);
    if (rc == 0)
        *ret_generation = generation;
    else
        generation_unref(generation);
done:
    close(memory_fd);
    return rc;
}

void generation_keep_only(struct generation *generation)
{
    for (unsigned place = 0; place < GENERATION_PLACES; place++)
        if (taken[place] && place != generation->place)
            clear_place(place);
    close(generation->memory_fd);
    generation->memory_fd = -1;
    generation->refs = 1;
}
