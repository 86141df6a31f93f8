/* conf.c - what the resolver of a loop was told: by its options, resolv.conf and the hosts file.
 *
 * The files are small and local, so they are read as a whole and at once (RILL__OP_LOAD_NOW): at most once
 * a second a stat says whether one has changed. A line that makes no sense is no line, as everywhere. */
#include "core/dns/conf.h"

#include "core/dns/host.h"
#include "core/io/socket.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

enum { hosts_most = 1 << 20, resolv_most = 64 << 10, dns_port = 53 };

/* As resolv.conf(5) has them. */
enum { ndots_most = 15, timeout_most = 30, attempts_most = 5 };

/* --- Texts: lines of words. --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line of `text` without its comment. False: that was the last one. */
static bool next_line(rill_span *text, rill_span *ret_line)
{
    if (text->size == 0)
        return false;
    const char *end = memchr(text->at, '\n', text->size);
    size_t size = end != NULL ? (size_t)(end - text->at) : text->size;
    size_t whole = size + (end != NULL), used = 0;
    while (used < size && text->at[used] != '#' && text->at[used] != ';')
        used++;
    *ret_line = (rill_span){ text->at, used };
    *text = (rill_span){ text->at + whole, text->size - whole };
    return true;
}

static bool next_word(rill_span *line, rill_span *ret_word)
{
    size_t from = 0;
    while (from < line->size && is_blank(line->at[from]))
        from++;
    size_t to = from;
    while (to < line->size && !is_blank(line->at[to]))
        to++;
    *ret_word = (rill_span){ line->at + from, to - from };
    *line = (rill_span){ line->at + to, line->size - to };
    return to > from;
}

/* --- The options. --- */

static int copy_path(const char *path, struct rill__dns_file *file)
{
    file->path = path != NULL ? rill_copy(path, strlen(path)) : NULL;
    return path != NULL && file->path == NULL ? -ENOMEM : 0;
}

static int read_server(rill_span text, rill_addr *ret_addr)
{
    if (rill__host_number(text, 0, ret_addr)) {
        rill__addr_set_port(ret_addr, dns_port);
        return 0;
    }
    bool fits = rill_addr_parse(text, ret_addr) == 0 && rill__addr_is_inet(ret_addr) &&
                rill_addr_port(ret_addr) > 0;
    return fits ? 0 : -EINVAL;
}

static int read_servers(struct rill__dns_conf *conf, const char *text)
{
    rill_span left = rill_span_of(text);
    while (left.size > 0) {
        const char *comma = memchr(left.at, ',', left.size);
        size_t size = comma != NULL ? (size_t)(comma - left.at) : left.size;
        if (conf->fixed_count == RILL__DNS_SERVERS ||
            read_server((rill_span){ left.at, size }, &conf->fixed[conf->fixed_count++]) < 0)
            return -EINVAL;
        size += comma != NULL;
        left = (rill_span){ left.at + size, left.size - size };
    }
    return 0;
}

int rill__dns_conf_init(struct rill__dns_conf *conf, const rill_dns_opts *opts)
{
    static const rill_dns_opts usual;
    if (opts == NULL)
        opts = &usual;
    if (opts->timeout < 0 || opts->attempts > attempts_most)
        return -EINVAL;
    *conf =
        (struct rill__dns_conf){ .fixed_timeout = opts->timeout, .fixed_attempts = opts->attempts };
    int r = opts->servers != NULL ? read_servers(conf, opts->servers) : 0;
    if (r == 0)
        r = copy_path(opts->hosts, &conf->hosts);
    if (r == 0)
        r = copy_path(opts->resolv_conf, &conf->resolv);
    if (r < 0)
        rill__dns_conf_fini(conf);
    return r;
}

void rill__dns_conf_fini(struct rill__dns_conf *conf)
{
    rill_free(conf->hosts.path);
    rill_free(conf->hosts.text);
    rill_free(conf->resolv.path);
    rill_free(conf->resolv.text);
    *conf = (struct rill__dns_conf){ .count = 0 };
}

/* --- resolv.conf. --- */

/* The text is ours: a word is ended in place. */
static char *end_word(rill_span word)
{
    char *at = (char *)(uintptr_t)word.at;
    at[word.size] = 0;
    return at;
}

static void take_domains(struct rill__dns_conf *conf, rill_span line)
{
    rill_span word;
    conf->domain_count = 0;
    while (conf->domain_count < RILL__DNS_DOMAINS && next_word(&line, &word)) {
        char name[RILL__DNS_NAME];
        char *domain = end_word(word);
        if (rill__host_name(domain, name, sizeof name) == 0)
            conf->domains[conf->domain_count++] = domain;
        if (line.size > 0) /* where the zero octet is now */
            line = (rill_span){ line.at + 1, line.size - 1 };
    }
}

static bool option(rill_span word, rill_span name, uint64_t most, uint64_t *ret_value)
{
    rill_span value = { word.at + name.size, word.size - name.size };
    if (!rill_span_starts(word, name))
        return false;
    int r = rill_parse_u64(value, UINT32_MAX, ret_value);
    if (r == 0 && *ret_value > most)
        *ret_value = most;
    return r == 0;
}

static void take_options(struct rill__dns_conf *conf, rill_span line)
{
    rill_span word;
    uint64_t value;
    while (next_word(&line, &word))
        if (option(word, RILL_SPAN("ndots:"), ndots_most, &value))
            conf->ndots = (unsigned)value;
        else if (option(word, RILL_SPAN("timeout:"), timeout_most, &value) && value > 0)
            conf->timeout = RILL_SEC((rill_time)value);
        else if (option(word, RILL_SPAN("attempts:"), attempts_most, &value) && value > 0)
            conf->attempts = (unsigned)value;
}

static void take_line(struct rill__dns_conf *conf, rill_span line)
{
    rill_span word;
    if (!next_word(&line, &word))
        return;
    if (rill_span_equal(word, RILL_SPAN("search")) || rill_span_equal(word, RILL_SPAN("domain")))
        take_domains(conf, line);
    else if (rill_span_equal(word, RILL_SPAN("options")))
        take_options(conf, line);
    else if (rill_span_equal(word, RILL_SPAN("nameserver")) && next_word(&line, &word) &&
             conf->count < RILL__DNS_SERVERS && read_server(word, &conf->servers[conf->count]) == 0)
        conf->count++;
}

static void use_resolv(struct rill__dns_conf *conf)
{
    rill_span text = { conf->resolv.text, conf->resolv.size }, line;
    conf->count = conf->domain_count = 0;
    conf->ndots = 1;
    conf->attempts = 2;
    conf->timeout = RILL_SEC(5);
    while (next_line(&text, &line))
        take_line(conf, line);
    if (conf->fixed_count > 0) {
        memcpy(conf->servers, conf->fixed, sizeof conf->fixed);
        conf->count = conf->fixed_count;
    }
    if (conf->count == 0) { /* as resolv.conf(5) says */
        (void)read_server(RILL_SPAN("127.0.0.1"), &conf->servers[0]);
        conf->count = 1;
    }
    if (conf->fixed_timeout > 0)
        conf->timeout = conf->fixed_timeout;
    if (conf->fixed_attempts > 0)
        conf->attempts = conf->fixed_attempts;
}

/* --- The files. --- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* 1: it has changed and was read; 0; -ENOMEM. A file that cannot be read is empty. */
static int look_at(struct rill__dns_file *file, const char *usual, size_t most)
{
    const char *path = file->path != NULL ? file->path : usual;
    struct stat status;
    if (rill__path_stat(path, &status) < 0)
        memset(&status, 0, sizeof status);
    if (file->known && is_same(&status, &file->status))
        return 0;
    size_t size = status.st_size < (off_t)most ? (size_t)status.st_size : most;
    char *text = rill_alloc(size + 1);
    struct rill__op op = { .kind = RILL__OP_LOAD_NOW,
                           .addr = (void *)(uintptr_t)path,
                           .offset = (uint64_t)(uintptr_t)text,
                           .size = (uint32_t)size };
    if (text == NULL)
        return -ENOMEM;
    int r = size > 0 ? rill__io_now(&op) : 0;
    file->size = r > 0 ? (size_t)r : 0;
    text[file->size] = 0;
    rill_free(file->text);
    file->text = text;
    file->status = status;
    file->known = true;
    return 1;
}

int rill__dns_conf_look(struct rill__dns_conf *conf, rill_time now)
{
    bool known = conf->hosts.known && conf->resolv.known;
    if (known && now < rill_time_add(conf->looked, RILL_SEC(1)))
        return 0;
    int hosts = look_at(&conf->hosts, "/etc/hosts", hosts_most);
    int resolv = look_at(&conf->resolv, "/etc/resolv.conf", resolv_most);
    if (resolv > 0)
        use_resolv(conf);
    if (hosts < 0 || resolv < 0)
        return -ENOMEM;
    conf->looked = now;
    return hosts > 0 || resolv > 0;
}

/* --- The hosts file: read at each lookup, so that it takes no more memory than its text. --- */

static bool has_word(rill_span line, rill_span wanted)
{
    rill_span word;
    while (next_word(&line, &word))
        if (rill_span_equal_nocase(word, wanted))
            return true;
    return false;
}

size_t rill__dns_hosts_find(const struct rill__dns_conf *conf, const char *name, int family,
                            rill_addr *ret_addrs, bool *ret_known)
{
    rill_span text = { conf->hosts.text, conf->hosts.size }, line, word, wanted;
    size_t count = 0;
    wanted = rill_span_of(name);
    *ret_known = false;
    while (count < RILL__DNS_ADDRESSES && next_line(&text, &line)) {
        rill_addr addr;
        if (!next_word(&line, &word) || !has_word(line, wanted) ||
            !rill__host_number(word, 0, &addr))
            continue;
        *ret_known = true;
        if (family == 0 || family == addr.any.sa_family)
            ret_addrs[count++] = addr;
    }
    return count;
}

bool rill__dns_hosts_name(const struct rill__dns_conf *conf, const rill_addr *addr,
                          char ret_name[RILL__DNS_NAME])
{
    rill_span text = { conf->hosts.text, conf->hosts.size }, line, word;
    rill_addr wanted = *addr, found;
    rill__addr_set_port(&wanted, 0);
    while (next_line(&text, &line))
        if (next_word(&line, &word) && rill__host_number(word, 0, &found) &&
            rill_addr_equal(&found, &wanted) && next_word(&line, &word) &&
            word.size < RILL__DNS_NAME) {
            memcpy(ret_name, word.at, word.size);
            ret_name[word.size] = 0;
            return true;
        }
    return false;
}
