/* serving.c - a server in the test's own loop. See serving.h. */
#include "tests/support/serving.h"

#include "server/conn/crowd.h"
#include "server/conn/tables.h"
#include "server/generation.h"
#include "server/log.h"
#include "server/serve.h"

#include <rill/future.h>
#include <rill/mem.h>
#include <rill/net.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { settle_turns = 24 };

struct serving serving;

/* --- Logs --- */

static struct log_file {
    int fd;
    off_t seen;
    char text[64 << 10];
} access_file = { .fd = -1 }, error_file = { .fd = -1 };

static void use_logs(const struct conf_log *conf)
{
    if (access_file.fd < 0) {
        access_file.fd = memfd_create("access", MFD_CLOEXEC);
        error_file.fd = memfd_create("error", MFD_CLOEXEC);
        log_identity(0);
    }
    log_use(conf, dup(access_file.fd), dup(error_file.fd));
}

/* --- The server --- */

static void count_freed(uint32_t number)
{
    (void)number;
    serving.freed++;
}

/* The configuration lies in a private, read-only mapping: ours may be changed. */
static int unlock(const struct conf *conf)
{
    uintptr_t page = 4096, first = (uintptr_t)conf & ~(page - 1);
    uintptr_t end = ((uintptr_t)(conf + 1) + page - 1) & ~(page - 1);
    return mprotect((void *)first, end - first, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

static int load(const char *conf, struct generation **ret_generation)
{
    static struct conf_report report;
    static bool reserved;
    static uint32_t number;
    char path[32];
    if (!reserved && generation_reserve() < 0)
        return -ENOMEM;
    reserved = true;
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (fd < 0 || write(fd, conf, strlen(conf)) < 0)
        return -EIO;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct generation_source source = { .path = path };
    memset(&report, 0, sizeof report);
    int r = generation_load(&source, ++number, &report, ret_generation);
    close(fd);
    for (size_t i = 0; r < 0 && i < report.count; i++)
        fprintf(stderr, "%s\n", report.findings[i].text);
    return r;
}

int serving_change(const char *conf, void (*tune)(struct conf *conf))
{
    struct generation *generation = NULL;
    struct serve *serve;
    int r = load(conf, &generation);
    if (r == 0)
        r = unlock(generation->conf);
    if (r == 0) {
        generation->freed = count_freed;
        serving.conf = (struct conf *)(uintptr_t)generation->conf;
        if (tune != NULL)
            tune(serving.conf);
        use_logs(&serving.conf->log);
        r = serve_prepare(generation, &serve);
    }
    if (r == 0)
        serve_commit(serve);
    generation_unref(generation);
    if (r == 0 && serving.fd >= 0)
        r = serve_listen(serving.fd, serving.conf->listen);
    return r;
}

static int open_port(void)
{
    rill_addr address;
    int fd = -1, size = (int)serving.send_buffer;
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &address);
    if (r == 0)
        r = rill_listen(&address, NULL, &fd);
    if (r == 0)
        r = rill_socket_name(fd, &address);
    if (r < 0)
        return r;
    if (size > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    serving.port = rill_addr_port(&address);
    r = serve_listen(fd, serving.conf->listen);
    if (r == 0)
        serving.fd = fd;
    else
        close(fd);
    return r;
}

static void forget_tables(void)
{
    struct tables *tables = tables_current;
    tables_current = NULL;
    tables_release(tables);
}

int serving_start(const char *conf, void (*tune)(struct conf *conf))
{
    serving.fd = -1;
    serving.freed = 0;
    int r = serving_change(conf, tune);
    if (r == 0)
        r = open_port();
    if (r < 0)
        forget_tables();
    return r;
}

/* End all connections, also those that were just being accepted, and wait until they have; whoever
 * cancels us meanwhile, as what is left would outlive the tables. Needs no memory. */
static int end_all(void)
{
    int r = 0;
    for (int turns = settle_turns; turns > 0 || crowd_count() > 0; turns--) {
        crowd_stop();
        r = rill_first_error(r, rill_sleep(0));
    }
    return r;
}

int serving_stop(void)
{
    if (tables_current == NULL)
        return 0;
    if (serving.fd >= 0)
        serve_unlisten(serving.fd, false);
    serving.fd = -1;
    int r = end_all();
    forget_tables();
    return r;
}

void serving_park(void)
{
    for (struct client *client = crowd_oldest(); client != NULL; client = client->next)
        if (client->conn != NULL && client->conn->phase == CONN_IDLE)
            conn_stop(client->conn, CONN_PARK);
}

/* --- What was logged --- */

static const char *read_log(struct log_file *file)
{
    off_t end = lseek(file->fd, 0, SEEK_END), most = sizeof file->text - 1;
    if (end - file->seen > most)
        file->seen = end - most; /* the last lines are what counts */
    ssize_t got = pread(file->fd, file->text, (size_t)most, file->seen);
    file->seen += got > 0 ? got : 0;
    file->text[got > 0 ? got : 0] = 0;
    return file->text;
}

const char *serving_access_log(void)
{
    return read_log(&access_file);
}

const char *serving_error_log(void)
{
    return read_log(&error_file);
}

int serving_await_log(const char *word)
{
    static char all[16 << 10];
    rill_text text = { all, sizeof all, 0, false };
    for (int i = 0; i < 400; i++) {
        rill_text_add(&text, rill_span_of(serving_access_log()));
        if (strstr(rill_text_end(&text), word) != NULL)
            return 0;
        int r = rill_sleep(RILL_MS(5));
        if (r < 0)
            return r;
    }
    fprintf(stderr, "the access log lacks %s:\n%s", word, all);
    return -ETIME;
}

/* --- Clients --- */

static int address_of_server(rill_addr *ret_address)
{
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%u", serving.port);
    return rill_addr_parse(rill_span_of(text), ret_address);
}

int client_open(rill_stream **ret_stream)
{
    const rill_stream_opts opts = { .read_limit = ANSWER_BODY_MAX + ANSWER_HEAD_MAX };
    rill_addr address;
    int r = address_of_server(&address);
    return r < 0 ? r : rill_stream_connect(&address, &opts, ret_stream);
}

int client_open_plain(int receive)
{
    rill_addr address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || address_of_server(&address) < 0)
        return -EIO;
    if (receive > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
    if (connect(fd, &address.any, address.length) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -EIO;
    }
    return fd;
}

int client_send(rill_stream *stream, rill_span octets)
{
    int r = rill_stream_write(stream, octets.at, octets.size, NULL);
    return r < 0 ? r : 0;
}

int client_say(rill_stream *stream, const char *text)
{
    return client_send(stream, rill_span_of(text));
}

/* The size of the head in `octets`; 0 if it is not all there. */
static size_t head_size(rill_span octets)
{
    const char *end = octets.size > 0 ? memmem(octets.at, octets.size, "\r\n\r\n", 4) : NULL;
    return end == NULL ? 0 : (size_t)(end - octets.at) + 4;
}

static int read_head(rill_stream *stream, struct answer *answer)
{
    rill_span octets = { NULL, 0 };
    uint64_t status;
    do {
        int r = rill_stream_peek(stream, octets.size + 1, &octets);
        if (r <= 0)
            return r < 0 ? r : octets.size == 0 ? -ENODATA : -EPROTO;
        answer->head_size = head_size(octets);
    } while (answer->head_size == 0 && octets.size < ANSWER_HEAD_MAX);
    if (answer->head_size == 0 || answer->head_size > ANSWER_HEAD_MAX)
        return -EPROTO;
    memcpy(answer->head, octets.at, answer->head_size);
    answer->head[answer->head_size] = 0;
    rill_stream_consume(stream, answer->head_size);
    rill_span text = { answer->head, answer->head_size };
    if (!rill_span_starts(text, RILL_SPAN("HTTP/1.1 ")) || answer->head[12] != ' ' ||
        rill_parse_u64((rill_span){ answer->head + 9, 3 }, 999, &status) < 0)
        return -EPROTO;
    answer->status = (int)status;
    return 0;
}

int client_answer(rill_stream *stream, bool bodiless, struct answer *ret_answer)
{
    uint64_t length = 0;
    ret_answer->body_size = 0;
    int r = read_head(stream, ret_answer);
    if (r < 0)
        return r;
    rill_span value = answer_field(ret_answer, "Content-Length");
    bool none = bodiless || ret_answer->status < 200 || ret_answer->status == 204 ||
                ret_answer->status == 304;
    if (!none && (value.at == NULL || rill_parse_u64(value, ANSWER_BODY_MAX, &length) < 0))
        return -EPROTO;
    r = rill_stream_read_exactly(stream, ret_answer->body, length, &ret_answer->body_size);
    ret_answer->body[ret_answer->body_size] = 0;
    return r == -ENODATA ? -EPROTO : r;
}

int client_ended(rill_stream *stream)
{
    rill_span octets;
    int r = rill_stream_peek(stream, 1, &octets);
    return r > 0 ? -EPROTO : r;
}

int client_ask(rill_stream *stream, const char *text, struct answer *ret_answer)
{
    int r = client_say(stream, text);
    if (r == 0)
        r = client_answer(stream, false, ret_answer);
    return r < 0 ? r : ret_answer->status;
}

rill_span answer_field(const struct answer *answer, const char *name)
{
    size_t size = strlen(name);
    const char *line = answer->head;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':' && line[size + 1] == ' ')
            return (rill_span){ line + size + 2, strcspn(line + size + 2, "\r\n") };
    }
    return (rill_span){ NULL, 0 };
}

bool answer_has(const struct answer *answer, const char *name, const char *value)
{
    rill_span got = answer_field(answer, name);
    return got.at != NULL && rill_span_equal(got, rill_span_of(value));
}

int settle(void)
{
    int r = 0;
    for (int i = 0; i < settle_turns && r == 0; i++)
        r = rill_sleep(0);
    return r;
}
