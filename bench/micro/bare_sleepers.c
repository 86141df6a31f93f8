/* bare_sleepers.c - what the kernel alone takes for a million guarded stacks: the line that
 * bench_sleepers.c is measured against.
 *
 * Slabs, guards and strides are those of librill's stacks, and the highest page of each is written to.
 * No task, no timer, no loop. */
#include "bench/micro/micro.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* kernel 6.13; delete when the C library's headers have it */
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000) /* kernel 6.14; delete when the C library's headers have it */
#endif

enum { STACKS = 1000000, SLAB = 256, BATCH = 32, GUARD = 64 << 10, STRIDE = 128 << 10, WORD = 8 };

static bool guard(char *memory)
{
    struct iovec guards[BATCH];
    for (int i = 0; i < BATCH; i++)
        guards[i] = (struct iovec){ memory + (size_t)i * STRIDE, GUARD };
    return process_madvise(PIDFD_SELF, guards, BATCH, MADV_GUARD_INSTALL, 0) == BATCH * GUARD;
}

static bool add_slab(void)
{
    size_t size = (size_t)SLAB * STRIDE;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (int i = 0; i < SLAB; i += BATCH)
        if (!guard(memory + (size_t)i * STRIDE))
            return false;
    for (int i = 1; i <= SLAB; i++)
        *(volatile char *)(memory + (size_t)i * STRIDE - WORD) = 1;
    return true;
}

int main(void)
{
    double begun = micro_cpu_ns();
    for (int stacks = 0; stacks < STACKS; stacks += SLAB)
        if (!add_slab()) {
            perror("bare_sleepers");
            return 1;
        }
    micro_report("sleepers-time", (micro_cpu_ns() - begun) / 1e9, "s");
    return 0;
}
