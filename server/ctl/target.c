/* target.c - the process that is looked at: its memory, its task table, its children.
 *
 * Its memory is read by process_vm_readv: without its help, without stopping it, and a bad address is an
 * error and no more. What it says about itself is not believed here beyond the table's name and version. */
#include "server/ctl/target.h"

#include <rill/text.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { batch = 512, page = 4096 };

uint64_t target_take(const void *from, unsigned size)
{
    uint64_t value = 0; /* little-endian, as both machines are */
    memcpy(&value, from, size <= sizeof value ? size : sizeof value);
    return value;
}

bool target_read(const struct target *target, uint64_t from, void *to, size_t size)
{
    struct iovec mine = { to, size }, its = { (void *)(uintptr_t)from, size };
    return process_vm_readv(target->pid, &mine, 1, &its, 1, 0) == (ssize_t)size;
}

/* Read some of the pieces; how many of them are dealt with, at least one. */
static size_t read_some(const struct target *target, struct target_piece *pieces, size_t count)
{
    struct iovec mine[batch], its[batch];
    for (size_t i = 0; i < count; i++) {
        mine[i] = (struct iovec){ pieces[i].to, pieces[i].size };
        its[i] = (struct iovec){ (void *)(uintptr_t)pieces[i].from, pieces[i].size };
        pieces[i].read = false;
    }
    ssize_t got = process_vm_readv(target->pid, mine, count, its, count, 0);
    size_t done = 0;
    while (done < count && got >= (ssize_t)pieces[done].size) {
        got -= (ssize_t)pieces[done].size;
        pieces[done++].read = true;
    }
    return done < count ? done + 1 : done; /* past the one that cannot be read */
}

void target_read_pieces(const struct target *target, struct target_piece *pieces, size_t count)
{
    while (count > 0) {
        size_t done = read_some(target, pieces, count < batch ? count : batch);
        pieces += done;
        count -= done;
    }
}

void target_text(const struct target *target, uint64_t from, char *text, size_t size)
{
    size_t used = 0;
    while (used + 1 < size) {
        size_t part = page - (from + used) % page;
        if (part > size - 1 - used)
            part = size - 1 - used;
        if (part > 64)
            part = 64;
        if (!target_read(target, from + used, text + used, part))
            break;
        if (memchr(text + used, 0, part) != NULL)
            return;
        used += part;
    }
    text[used] = 0;
}

uint64_t target_number(const struct target *target, uint64_t from, unsigned size, uint64_t none)
{
    char octets[8];
    if (size > sizeof octets || !target_read(target, from, octets, size))
        return none;
    return target_take(octets, size);
}

/* --- Finding the table. --- */

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fopen(path, "re");
}

static void read_program(struct target *target)
{
    FILE *file = open_proc(target->pid, "comm");
    target->program[0] = 0;
    if (file == NULL)
        return;
    if (fgets(target->program, sizeof target->program, file) != NULL)
        target->program[strcspn(target->program, "\n")] = 0;
    fclose(file);
}

/* Where the table is mapped, by a line of the list of mappings; 0: another line. */
static uint64_t table_at(char *line)
{
    static const char name[] = "/memfd:" RILL_TABLE_NAME " ";
    uint64_t from;
    const char *path = strchr(line, '/');
    rill_span digits = { line, strcspn(line, "-") };
    if (path == NULL || strncmp(path, name, sizeof name - 1) != 0)
        return 0;
    return rill_parse_hex(digits, UINT64_MAX, &from) == 0 ? from : 0;
}

static int find_table(const struct target *target, uint64_t *ret_at)
{
    char line[512];
    uint64_t at = 0;
    FILE *file = open_proc(target->pid, "maps");
    if (file == NULL)
        return errno == ENOENT ? -ESRCH : -errno;
    errno = 0;
    while (at == 0 && fgets(line, sizeof line, file) != NULL)
        at = table_at(line);
    int error = errno; /* of who may open the list, but not read it */
    fclose(file);
    if (at == 0)
        return error != 0 ? -error : -ENOENT;
    *ret_at = at;
    return 0;
}

int target_open(struct target *target, pid_t pid)
{
    uint64_t at;
    rill_table *table = &target->table;
    *target = (struct target){ .pid = pid };
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return -ESRCH;
    read_program(target);
    int r = find_table(target, &at);
    if (r < 0)
        return r;
    target->table_at = at;
    struct iovec mine = { table, sizeof *table }, its = { (void *)(uintptr_t)at, sizeof *table };
    if (process_vm_readv(pid, &mine, 1, &its, 1, 0) != (ssize_t)sizeof *table)
        return errno != 0 ? -errno : -EFAULT;
    bool ours = memcmp(table->magic, RILL_TABLE_MAGIC, sizeof table->magic) == 0;
    return ours && table->version == RILL_TABLE_VERSION ? 0 : -EPROTO;
}

bool target_is_there(const struct target *target)
{
    return target_number(target, target->table_at + offsetof(rill_table, version), 4, 0) ==
           RILL_TABLE_VERSION;
}

/* --- Its threads. --- */

/* The numbers of a thread in the namespaces that it is in, from ours to its own: the last one. 0: it has gone. */
static uint64_t innermost_number(pid_t pid, const char *thread)
{
    char path[320], line[512];
    uint64_t number = 0;
    snprintf(path, sizeof path, "task/%s/status", thread);
    FILE *file = open_proc(pid, path);
    while (file != NULL && number == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "NSpid:", 6) != 0)
            continue;
        line[strcspn(line, "\n")] = 0;
        const char *last = strrchr(line, '\t');
        if (last == NULL || rill_parse_u64(rill_span_of(last + 1), INT32_MAX, &number) < 0)
            break;
    }
    if (file != NULL)
        fclose(file);
    return number;
}

pid_t target_thread(const struct target *target, pid_t inner)
{
    char path[64];
    uint64_t thread = 0, found = 0;
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", target->pid);
    DIR *folder = opendir(path);
    while (folder != NULL && found == 0 && (entry = readdir(folder)) != NULL)
        if (rill_parse_u64(rill_span_of(entry->d_name), INT32_MAX, &thread) == 0 &&
            innermost_number(target->pid, entry->d_name) == (uint64_t)inner)
            found = thread;
    if (folder != NULL)
        closedir(folder);
    return (pid_t)found;
}

/* --- Its children. --- */

static size_t children_of_thread(pid_t pid, const char *thread, pid_t *pids, size_t most)
{
    char path[320];
    size_t count = 0;
    int child;
    snprintf(path, sizeof path, "task/%s/children", thread);
    FILE *file = open_proc(pid, path);
    if (file == NULL)
        return 0;
    while (count < most && fscanf(file, "%d", &child) == 1)
        pids[count++] = child;
    fclose(file);
    return count;
}

size_t target_children(pid_t pid, pid_t *pids, size_t most)
{
    char path[64];
    size_t count = 0;
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            count += children_of_thread(pid, entry->d_name, pids + count, most - count);
    closedir(folder);
    return count;
}

/* --- Why not. --- */

static void explain_refusal(pid_t pid)
{
    uint64_t scope = 0;
    char digits[16] = "";
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file != NULL && fgets(digits, sizeof digits, file) != NULL)
        (void)!rill_parse_u64((rill_span){ digits, strcspn(digits, "\n") }, 9, &scope);
    if (file != NULL)
        fclose(file);
    fprintf(stderr, "rillctl: may not look into process %d: run as its user, or as root", pid);
    if (scope > 0)
        fprintf(stderr, "; kernel.yama.ptrace_scope is %d: set it to 0, or be root", (int)scope);
    fputc('\n', stderr);
}

void target_explain(pid_t pid, int code)
{
    if (code == -ESRCH)
        fprintf(stderr, "rillctl: there is no process %d\n", pid);
    else if (code == -EPERM || code == -EACCES)
        explain_refusal(pid);
    else if (code == -ENOENT)
        fprintf(
            stderr,
            "rillctl: process %d has no task table: it is no rill program, or has no loop yet\n",
            pid);
    else if (code == -EPROTO)
        fprintf(stderr,
                "rillctl: process %d has a task table of another version than %d, which is ours: "
                "use the"
                " rillctl that was built with it\n",
                pid, RILL_TABLE_VERSION);
    else
        fprintf(stderr, "rillctl: cannot look into process %d: %s\n", pid, rill_strerror(code));
}
