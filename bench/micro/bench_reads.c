/* bench_reads.c - random reads of 4 KiB: one coroutine for each outstanding read.
 *
 * From the page cache and past it (O_DIRECT), at depth 1, 8, 32 and 128: reads per second and CPU
 * time per read. Arguments: a file that is in the page cache, seconds per depth. */
#include "bench/micro/micro.h"

#include <rill/file.h>
#include <rill/future.h>
#include <rill/loop.h>
#include <rill/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BLOCK = 4096, DEPTH_MAX = 128 };

static _Alignas(BLOCK) char blocks[DEPTH_MAX][BLOCK];

static struct {
    int fd;
    uint64_t block_count, done;
    double seconds;
    rill_time end;
} run;

/* xorshift: good enough to scatter reads, and cheaper than the reads by far. */
static uint64_t scatter(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int read_blocks(void *arg)
{
    char *block = arg;
    uint64_t state = (uintptr_t)block * 0x9e3779b97f4a7c15;
    while (rill_now() < run.end) {
        uint64_t at = scatter(&state) % run.block_count * BLOCK;
        int got = rill_file_read(run.fd, block, BLOCK, at);
        if (got != BLOCK)
            return got < 0 ? got : -EIO;
        run.done++;
    }
    return 0;
}

static int at_depth(const char *label, int depth)
{
    rill_future *readers[DEPTH_MAX];
    run.done = 0;
    run.end = rill_now() + (rill_time)(run.seconds * 1e9);
    double begun = micro_now_ns(), cpu = micro_cpu_ns();
    for (int i = 0; i < depth; i++)
        readers[i] = rill_create_task(RILL_CORO(read_blocks, blocks[i]));
    int rc = rill_join(rill_gather((size_t)depth, readers, 0));
    for (int i = 0; i < depth; i++)
        rill_unref(readers[i]);
    if (rc < 0)
        return rc;
    char name[64];
    snprintf(name, sizeof name, "reads-%s-%d", label, depth);
    micro_report(name, (double)run.done / (micro_now_ns() - begun) * 1e9, "IOPS");
    snprintf(name, sizeof name, "reads-%s-%d-cpu", label, depth);
    micro_report(name, (micro_cpu_ns() - cpu) / (double)run.done, "ns");
    return 0;
}

static int all_depths(const char *path, const char *label, int flags)
{
    static const int depths[] = { 1, 8, 32, DEPTH_MAX };
    struct stat file;
    run.fd = rill_file_open(path, O_RDONLY | flags, 0);
    if (run.fd < 0)
        return run.fd;
    int rc = rill_file_stat(run.fd, &file);
    run.block_count = rc == 0 ? (uint64_t)file.st_size / BLOCK : 0;
    if (rc == 0 && run.block_count == 0)
        rc = -EINVAL;
    for (size_t i = 0; rc == 0 && i < sizeof depths / sizeof *depths; i++)
        rc = at_depth(label, depths[i]);
    return rill_first_error(rc, rill_file_close(run.fd));
}

static int start(void *arg)
{
    const char *path = arg;
    int rc = all_depths(path, "cached", 0);
    return rc < 0 ? rc : all_depths(path, "direct", O_DIRECT);
}

int main(int argc, char **argv)
{
    if (argc != 3 || sscanf(argv[2], "%lf", &run.seconds) != 1) {
        fputs("usage: bench_reads FILE SECONDS\n", stderr);
        return 2;
    }
    return rill_exit_code(rill_run(RILL_CORO(start, argv[1])));
}
