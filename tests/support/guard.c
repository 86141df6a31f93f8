/* guard.c - octets that end at an unreadable page. */
#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void guard_init(guard *g, size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (room + page - 1) / page * page + page;
    char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + size, page, PROT_NONE) < 0) {
        perror("guard_init");
        exit(1);
    }
    g->map = map;
    g->size = size;
}

void guard_fini(guard *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (g->map)
        munmap(g->map, g->size + page);
    g->map = NULL;
}

char *guard_put(guard *g, const void *octets, size_t size)
{
    if (size > g->size)
        abort();
    char *at = g->map + g->size - size;
    memset(g->map, 'G', g->size - size); /* what lies before is never part of the input */
    if (size > 0)
        memcpy(at, octets, size);
    return at;
}
