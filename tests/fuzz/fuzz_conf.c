/* fuzz_conf.c - configuration files: YAML, variables, conversion, cross-checks.
 *
 * Oracle: a result is either a configuration or errors, never both; findings are printable lines in
 * the order of the file; everything that a configuration refers to lies in its region, ends in a zero
 * octet and keeps the bounds of the table; and a second reading gives the same octets. */
#include "server/conf/conf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define REGION_SIZE (1u << 20)
#define INPUT_MAX   (8u << 10)

static _Alignas(16) char memory[REGION_SIZE];
static struct conf_report report;

static void check_memory(const void *at, size_t size)
{
    const char *from = at;
    PROMISE(size == 0 || (from >= memory && from + size <= memory + REGION_SIZE));
}

static void check_span(rill_span span)
{
    if (span.size == 0)
        return;
    check_memory(span.at, span.size + 1);
    PROMISE(span.at[span.size] == 0);
}

static void check_pairs(const struct conf_pair *pairs, size_t count)
{
    check_memory(pairs, count * sizeof *pairs);
    for (size_t i = 0; i < count; i++) {
        check_span(pairs[i].name);
        check_span(pairs[i].value);
        PROMISE(pairs[i].name.size > 0 && !memchr(pairs[i].value.at, '\n', pairs[i].value.size));
    }
}

static void check_part(const struct conf_gather *gather, const struct conf_part *part)
{
    check_span(part->name);
    check_span(part->file);
    check_span(part->host);
    PROMISE((part->file.size > 0) != (part->piece_count > 0));
    PROMISE(part->timeout > 0 && part->timeout <= gather->deadline);
    PROMISE(part->part_max > 0 && part->part_max <= gather->body_max);
    check_memory(part->pieces, part->piece_count * sizeof *part->pieces);
    for (size_t i = 0; i < part->piece_count; i++) {
        check_memory(part->pieces[i].text.at, part->pieces[i].text.size);
        PROMISE(part->pieces[i].text.size > 0);
    }
    PROMISE(part->piece_count == 0 || part->pieces[0].text.at[0] == '/');
}

static void check_route(const struct conf_route *route)
{
    check_span(route->path);
    PROMISE(route->path.size > 0 && route->path.at[0] == '/');
    PROMISE(route->prefix == (route->path.at[route->path.size - 1] == '/'));
    check_pairs(route->header, route->header_count);
    if (route->kind == CONF_FILES) {
        check_span(route->files.root);
        PROMISE(route->prefix && route->files.root.at[0] == '/');
        check_pairs(route->files.types, route->files.type_count);
        check_memory(route->files.index, route->files.index_count * sizeof(rill_span));
        for (size_t i = 0; i < route->files.index_count; i++)
            check_span(route->files.index[i]);
    } else if (route->kind == CONF_RESPOND) {
        check_span(route->respond.body);
        check_span(route->respond.type);
        check_span(route->respond.location);
        PROMISE(route->respond.status >= 200 && route->respond.status < 600);
    } else {
        check_span(route->gather.cache_control);
        check_memory(route->gather.parts, route->gather.part_count * sizeof *route->gather.parts);
        PROMISE(route->gather.part_count > 0 && route->gather.part_count <= 64);
        for (size_t i = 0; i < route->gather.part_count; i++)
            check_part(&route->gather, &route->gather.parts[i]);
    }
}

static void check_conf(const struct conf *conf)
{
    check_memory(conf, sizeof *conf);
    check_span(conf->user);
    check_span(conf->group);
    check_span(conf->pid_file);
    check_span(conf->log.access.path);
    check_span(conf->log.error.path);
    PROMISE(conf->workers <= CONF_WORKERS_MAX && conf->memory_used <= REGION_SIZE);
    check_memory(conf->listen, conf->listen_count * sizeof *conf->listen);
    PROMISE(conf->listen_count > 0);
    for (size_t i = 0; i < conf->listen_count; i++) {
        check_span(conf->listen[i].systemd);
        PROMISE((conf->listen[i].systemd.size > 0) != (conf->listen[i].address.length > 0));
    }
    check_memory(conf->routes, conf->route_count * sizeof *conf->routes);
    for (size_t i = 0; i < conf->route_count; i++)
        check_route(&conf->routes[i]);
}

static void check_report(void)
{
    PROMISE(report.count <= CONF_ERRORS_MAX && report.errors == report.count + report.more);
    for (size_t i = 0; i < report.count; i++) {
        const struct conf_finding *finding = &report.findings[i];
        PROMISE(memchr(finding->text, 0, sizeof finding->text));
        for (const char *at = finding->text; *at; at++)
            PROMISE((unsigned char)*at >= 0x20 && *at != 0x7f);
        PROMISE(i == 0 || finding[-1].place.line < finding->place.line ||
                (finding[-1].place.line == finding->place.line &&
                 finding[-1].place.column <= finding->place.column));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct conf *conf = NULL;
    static char before[REGION_SIZE];
    rill_span text = { (const char *)data, size };
    if (size > INPUT_MAX)
        return 0;
    int r = conf_load_text("f", text, NULL, memory, sizeof memory, &report, &conf);
    PROMISE((r == 0) == (conf != NULL) && (r == 0) == (report.errors == 0));
    check_report();
    if (r < 0)
        return 0;
    check_conf(conf);
    size_t used = conf->memory_used;
    memcpy(before, memory, used);
    PROMISE(conf_load_text("f", text, NULL, memory, sizeof memory, &report, &conf) == 0);
    PROMISE(conf->memory_used == used && memcmp(before, memory, used) == 0);
    return 0;
}
