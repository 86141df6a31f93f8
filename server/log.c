/* log.c - the error log and the access log of this process.
 *
 * A sink is one file with its buffer and, in a worker, the task that writes: up to 64 KiB at a time,
 * one write in flight. After the first line of an idle sink the task waits 10 ms, so that a busy
 * worker writes a hundred batches a second and not one per turn. A write that fails (full disk,
 * reader gone) is tried again every second while lines pile up to the limit; then they are dropped
 * and counted, which one warning a minute says, and one at the end. A change of the file takes place
 * between two writes. A line of which a full disk took a part stays: it goes on there once there is
 * room, or is whole in the next file. Into a pipe or the journal's socket, which several workers share,
 * go whole lines that it takes in one piece. So no line is torn, lost or doubled.
 *
 * Direct lines never wait either: the descriptor is asked first whether it takes them. */
#include "server/log.h"

#include "server/conf/conf.h"
#include "server/logbuf.h"
#include "server/shm.h"

#include <rill/file.h>
#include <rill/future.h>
#include <rill/loop.h>
#include <rill/task.h>
#include <rill/timeout.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 64 << 10, MESSAGE_MAX = 960, PER_SECOND = 10 };

struct sink {
    const char *name;
    int fd;       /* -1: no such log */
    int next_fd;  /* to change to before the next write; -1: none */
    bool change;  /* next_fd is valid */
    bool writing; /* a write is on its way */
    bool is_pipe; /* or a socket: what others write comes between two pieces */
    size_t begun; /* octets of the oldest line that are in the file already */
    int problem;  /* of the last write; 0: none */
    struct logbuf buf;
    uint64_t dropped;  /* since the last warning */
    rill_time warned;  /* when that was; 0: never */
    rill_future *wake; /* what the idle writer waits for; NULL: it is at work */
    rill_task *writer; /* NULL: direct */
};

static struct sink error_sink = { .name = "error log", .fd = STDERR_FILENO, .next_fd = -1 };
static struct sink access_sink = { .name = "access log", .fd = -1, .next_fd = -1 };

static struct {
    enum log_level level;
    enum conf_log_format format;
    bool query, journal, stopping;
    int slot;
} setting = { .level = LOG_INFO, .query = true, .slot = -1 };

/* --- set-up --- */

void log_identity(int slot)
{
    setting.slot = slot;
}

int log_slot(void)
{
    return setting.slot;
}

/* JOURNAL_STREAM names device and inode of the journal's socket. */
static bool is_journal(int fd)
{
    const char *name = secure_getenv("JOURNAL_STREAM");
    struct stat status;
    char own[64];
    if (name == NULL || fd < 0 || fstat(fd, &status) < 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return rill_span_equal(rill_span_of(name), rill_span_of(own));
}

/* Where the next line goes; -1: nowhere. */
static int goes_to(const struct sink *sink)
{
    return sink->change ? sink->next_fd : sink->fd;
}

static void close_former(int fd)
{
    if (fd > STDERR_FILENO)
        close(fd);
}

static void change_now(struct sink *sink)
{
    struct stat was = { 0 }, is = { 0 };
    if (!sink->change)
        return;
    int former = sink->fd;
    sink->fd = sink->next_fd;
    sink->change = false;
    (void)fstat(former, &was); /* -1: none */
    (void)fstat(sink->fd, &is);
    if (was.st_dev != is.st_dev || was.st_ino != is.st_ino)
        sink->begun = 0;
    sink->is_pipe = S_ISFIFO(is.st_mode) || S_ISSOCK(is.st_mode);
    if (former != sink->fd)
        close_former(former);
    if (sink == &error_sink)
        setting.journal = is_journal(sink->fd);
}

static void wake(struct sink *sink)
{
    rill_future *future = sink->wake;
    sink->wake = NULL;
    if (future != NULL)
        rill_future_set_result(future, 0, NULL);
}

static bool has_lines(const struct sink *sink)
{
    return logbuf_peek(&sink->buf, 1).size > 0;
}

/* Not under a write. And lines of a log that is being turned off still belong to its file, unless
 * that is broken. */
static bool may_change(const struct sink *sink)
{
    return !sink->writing && (sink->next_fd >= 0 || sink->problem < 0 || !has_lines(sink));
}

static void change_to(struct sink *sink, int fd)
{
    if (sink->change)
        close_former(sink->next_fd); /* never used */
    sink->next_fd = fd;
    sink->change = true;
    if (may_change(sink))
        change_now(sink);
    else
        wake(sink);
}

/* Our own number for a standard descriptor. If it leads to a file, everybody appends from now on: workers
 * that write where the shared position is would write over each other's lines. */
static int open_standard(int standard)
{
    struct stat status;
    if (fstat(standard, &status) == 0 && S_ISREG(status.st_mode))
        (void)fcntl(standard, F_SETFL, fcntl(standard, F_GETFL) | O_APPEND);
    return fcntl(standard, F_DUPFD_CLOEXEC, 3);
}

int log_open(const struct conf_log_target *target)
{
    int fd;
    if (target->to == CONF_LOG_STDOUT)
        fd = open_standard(STDOUT_FILENO);
    else if (target->to == CONF_LOG_STDERR)
        fd = open_standard(STDERR_FILENO);
    else if (target->to == CONF_LOG_OFF)
        fd = openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
    else
        /* Not blocking: a FIFO without a reader is an error and no wait. Files do not care. */
        fd = openat(AT_FDCWD, target->path.at,
                    O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    return fd < 0 ? -errno : fd;
}

void log_use(const struct conf_log *conf, int access, int error)
{
    setting.level = (enum log_level)conf->level;
    setting.format = conf->format;
    setting.query = conf->query;
    if (conf->access.to == CONF_LOG_OFF) {
        close(access);
        access = -1;
    }
    change_to(&access_sink, access);
    change_to(&error_sink, error);
}

void log_descriptors(int *ret_access, int *ret_error)
{
    *ret_access = goes_to(&access_sink);
    *ret_error = goes_to(&error_sink);
}

/* --- lines --- */

static void warn_of_loss(struct sink *sink)
{
    rill_time now = rill_now();
    uint64_t dropped = sink->dropped;
    if (dropped == 0 || (sink->warned != 0 && now - sink->warned < RILL_SEC(60)))
        return;
    sink->dropped = 0;
    sink->warned = now;
    log_line(LOG_WARNING, "log", "%s: %llu line%s dropped%s%s", sink->name,
             (unsigned long long)dropped, dropped == 1 ? "" : "s", sink->problem < 0 ? ": " : "",
             sink->problem < 0 ? rill_strerror(sink->problem) : "");
}

/* The error log cannot tell of its own loss while it lasts; its writer does so afterwards. */
static void drop(struct sink *sink, uint64_t lines)
{
    sink->dropped += lines;
    shm_add(&shm_mine->log_dropped, lines);
    if (sink == &access_sink)
        warn_of_loss(sink);
}

static void write_direct(struct sink *sink, rill_span line)
{
    struct pollfd ready = { .fd = sink->fd, .events = POLLOUT };
    const struct timespec at_once = { 0 };
    struct iovec part = { (char *)(uintptr_t)line.at, line.size };
    if (ppoll(&ready, 1, &at_once, NULL) != 1 || !(ready.revents & POLLOUT) ||
        writev(sink->fd, &part, 1) < 0)
        drop(sink, 1);
}

bool log_shows(enum log_level level)
{
    return level >= setting.level;
}

/* What a line is made of: one of the two kinds. */
struct line {
    const struct log_access *access;
    enum log_level level;
    const char *module;
    rill_span message;
};

static void format_line(const struct line *line, rill_text *text)
{
    if (line->access == NULL)
        logline_error(rill_wall_clock(), line->level, (int)getpid(), setting.slot, line->module,
                      line->message, setting.journal, text);
    else if (setting.format == CONF_LOG_JSON)
        logline_json(line->access, setting.query, text);
    else
        logline_combined(line->access, setting.query, text);
}

static void put_buffered(struct sink *sink, const struct line *line)
{
    for (unsigned nth = 0; nth < 2; nth++) {
        rill_text text = logbuf_room(&sink->buf, nth);
        if (text.size == 0)
            continue;
        format_line(line, &text);
        if (text.full)
            continue;
        logbuf_add(&sink->buf, &text);
        wake(sink);
        return;
    }
    drop(sink, 1);
}

static void put(struct sink *sink, const struct line *line)
{
    if (goes_to(sink) < 0)
        return;
    if (sink->writer != NULL) {
        put_buffered(sink, line);
        return;
    }
    /* Room for the message with each octet escaped; too much for a coroutine's stack. */
    static char memory[MESSAGE_MAX * 4 + 256];
    _Static_assert(sizeof memory <= PIPE_BUF, "a pipe that takes anything takes a whole line");
    rill_text text = { memory, sizeof memory, 0, false };
    format_line(line, &text);
    write_direct(sink, (rill_span){ memory, text.used });
}

static void RILL_PRINTF(3, 0)
    put_message(enum log_level level, const char *module, const char *format, va_list args)
{
    char memory[MESSAGE_MAX];
    int size = vsnprintf(memory, sizeof memory, format, args);
    size_t used = size < 0 ? 0 : (size_t)size < sizeof memory ? (size_t)size : sizeof memory - 1;
    put(&error_sink,
        &(struct line){ .level = level, .module = module, .message = { memory, used } });
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    if (!log_shows(level))
        return;
    va_list args;
    va_start(args, format);
    put_message(level, module, format, args);
    va_end(args);
}

bool log_limit_take(struct log_limit *limit, rill_time now, unsigned *ret_left_out)
{
    if (limit->shown == 0 || now - limit->since >= RILL_SEC(1)) {
        *ret_left_out = limit->left_out;
        *limit = (struct log_limit){ .since = now, .shown = 1 };
        return true;
    }
    if (limit->shown == PER_SECOND) {
        limit->left_out++;
        return false;
    }
    limit->shown++;
    *ret_left_out = 0;
    return true;
}

void log_client(struct log_limit *limit, enum log_level level, const char *module,
                const char *format, ...)
{
    unsigned left_out;
    if (!log_shows(level) || !log_limit_take(limit, rill_now(), &left_out))
        return;
    va_list args;
    va_start(args, format);
    put_message(level, module, format, args);
    va_end(args);
    if (left_out > 0)
        log_line(level, module, "%u lines like the last one were left out before it", left_out);
}

bool log_access_wanted(void)
{
    return goes_to(&access_sink) >= 0;
}

void log_access(const struct log_access *access)
{
    put(&access_sink, &(struct line){ .access = access });
}

/* --- writing, in a worker --- */

/* The size of the whole lines among the first `most` octets, or of the first one if that is longer;
 * 0: its end is not there. */
static size_t whole_lines(rill_span octets, size_t most)
{
    const char *end = memrchr(octets.at, '\n', octets.size < most ? octets.size : most);
    if (end == NULL)
        end = memchr(octets.at, '\n', octets.size);
    return end != NULL ? (size_t)(end - octets.at) + 1 : 0;
}

/* What to write next: the oldest lines, behind what has been written of the first one. */
static rill_span next_batch(const struct sink *sink)
{
    rill_span batch = logbuf_peek(&sink->buf, sink->begun + BATCH);
    size_t lines = sink->is_pipe ? whole_lines(batch, sink->begun + PIPE_BUF) : 0;
    if (lines > 0)
        batch.size = lines;
    return (rill_span){ batch.at + sink->begun, batch.size - sink->begun };
}

/* Only whole lines are done with. */
static void note_written(struct sink *sink, size_t size)
{
    rill_span all = logbuf_peek(&sink->buf, sink->begun + size);
    size_t lines = whole_lines(all, all.size);
    sink->begun = all.size - lines;
    logbuf_consume(&sink->buf, lines);
}

/* Write one batch.   Returns: 0; -ECANCELED. A failed write only costs time. */
static int write_batch(struct sink *sink)
{
    rill_span batch = next_batch(sink);
    sink->writing = true;
    int rc = rill_file_write(sink->fd, batch.at, batch.size, UINT64_MAX);
    sink->writing = false;
    if (rc == -ECANCELED)
        return rc;
    sink->problem = rc > 0 ? 0 : rc == 0 ? -EIO : rc;
    if (rc > 0) {
        note_written(sink, (size_t)rc);
        return 0;
    }
    return rill_sleep(rc == -EINTR || rc == -EAGAIN ? RILL_MS(10) : RILL_SEC(1));
}

/* Wait for a line or a change of the file, and then a moment for more of them. */
static int wait_for_lines(struct sink *sink)
{
    rill_future *future = rill_future_new();
    sink->wake = future;
    int rc = rill_await(future);
    sink->wake = NULL;
    rill_unref(future);
    if (rc < 0 && rc != -ENOMEM)
        return rc;
    return rill_sleep(RILL_MS(10));
}

static int run_writer(void *arg)
{
    struct sink *sink = arg;
    int rc = 0;
    while (rc >= 0) {
        if (may_change(sink))
            change_now(sink);
        warn_of_loss(sink);
        if (has_lines(sink) && sink->fd >= 0)
            rc = write_batch(sink);
        else if (setting.stopping)
            return 0;
        else
            rc = wait_for_lines(sink);
    }
    return rc;
}

static int start_writer(struct sink *sink, size_t buffer_size)
{
    int rc = logbuf_init(&sink->buf, buffer_size);
    if (rc < 0)
        return rc;
    rill_task *task = rill_create_task(RILL_CORO(run_writer, sink));
    if (rill_done(task)) { /* it failed: a task that was made has not run yet */
        rc = rill_join(task);
        logbuf_fini(&sink->buf);
        return rill_first_error(rc, -ENOMEM);
    }
    rill_task_set_name(task, sink->name);
    sink->writer = task;
    return 0;
}

int log_start(size_t buffer_size)
{
    setting.stopping = false;
    int rc = start_writer(&access_sink, buffer_size);
    return rc < 0 ? rc : start_writer(&error_sink, buffer_size);
}

/* The lines that were not written, now lost. */
static uint64_t count_lines(struct logbuf *buf)
{
    uint64_t lines = 0;
    rill_span rest;
    while ((rest = logbuf_peek(buf, SIZE_MAX)).size > 0) {
        for (size_t i = 0; i < rest.size; i++)
            lines += rest.at[i] == '\n';
        logbuf_consume(buf, rest.size);
    }
    return lines;
}

static int stop_writer(struct sink *sink, rill_time limit)
{
    if (sink->writer == NULL)
        return 0;
    rill_scope scope = { 0 };
    wake(sink);
    int rc = rill_timeout(&scope, limit);
    if (rc < 0)
        return rc;
    rc = rill_scope_leave(&scope, rill_join(sink->writer)); /* a timeout cancels the writer */
    sink->writer = NULL;
    sink->warned = 0; /* the last word is not put off */
    drop(sink, count_lines(&sink->buf));
    logbuf_fini(&sink->buf);
    sink->begun = 0;
    return rc;
}

int log_stop(rill_time limit)
{
    setting.stopping = true;
    int rc = stop_writer(&access_sink, limit / 2);
    return rill_first_error(rc, stop_writer(&error_sink, limit / 2));
}
