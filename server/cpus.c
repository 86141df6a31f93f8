/* cpus.c - the processors that the workers may use: how many, and which one for whom.
 *
 * Containers limit processors in two ways: by the affinity mask, and by a quota of the cgroup or of
 * one above it. Version 2 of cgroups only, where it is mounted at the usual place; elsewhere the mask
 * decides. */
#include "server/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

unsigned cpus_of_quota(rill_span text)
{
    uint64_t quota, period;
    while (text.size > 0 && (text.at[text.size - 1] == '\n' || text.at[text.size - 1] == ' '))
        text.size--;
    const char *space = text.size > 0 ? memchr(text.at, ' ', text.size) : NULL;
    if (space == NULL)
        return 0;
    rill_span first = { text.at, (size_t)(space - text.at) };
    rill_span second = { space + 1, text.size - first.size - 1 };
    if (rill_parse_u64(first, UINT32_MAX, &quota) < 0 ||
        rill_parse_u64(second, UINT32_MAX, &period) < 0 || period == 0 || quota == 0)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

/* The content of a small file.   Returns: its size; 0 if there is none. */
static size_t load(const char *path, char *memory, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t used = fread(memory, 1, size - 1, file);
    fclose(file);
    memory[used] = '\0';
    return used;
}

/* The smallest quota of our cgroup and those above it. */
static unsigned quota_of_cgroup(void)
{
    char own[512], path[640], text[64];
    unsigned smallest = 0;
    if (load("/proc/self/cgroup", own, sizeof own) == 0 || strncmp(own, "0::/", 4) != 0)
        return 0;
    own[strcspn(own, "\n")] = '\0';
    for (char *slash = own + strlen(own); slash != NULL; slash = strrchr(own + 3, '/')) {
        *slash = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", own + 3);
        unsigned quota = cpus_of_quota((rill_span){ text, load(path, text, sizeof text) });
        if (quota > 0 && (smallest == 0 || quota < smallest))
            smallest = quota;
    }
    return smallest;
}

unsigned cpus_count(void)
{
    cpu_set_t mask;
    unsigned count = 1, quota = quota_of_cgroup();
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
        count = (unsigned)CPU_COUNT(&mask);
    return quota > 0 && quota < count ? quota : count;
}

int cpus_pin(unsigned slot)
{
    cpu_set_t mask, one;
    if (sched_getaffinity(0, sizeof mask, &mask) < 0)
        return -errno;
    unsigned skip = slot % (unsigned)CPU_COUNT(&mask);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mask) || skip-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) < 0 ? -errno : 0;
    }
    return -EINVAL;
}
