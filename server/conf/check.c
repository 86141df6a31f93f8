/* check.c - whether the files and folders that a configuration refers to are there.
 *
 * Only looks, as the user who runs it: `--check` needs no privilege, so what this user may not use
 * is a notice, and only what is missing an error. The daemon opens these things elsewhere. */
#include "server/conf/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    const struct conf *conf;
    struct conf_report *report;
    size_t errors;
    bool no_memory;
};

static void missing(struct check *check, struct conf_place place, const char *what,
                    const char *path, const char *fix)
{
    conf_report_add(check->report, check->conf->source.at, CONF_ERROR, place,
                    "%s \"%s\" does not exist; %s", what, conf_quote(rill_span_of(path)).text, fix);
    check->errors++;
}

/* Whether `path` is there, may be used by this user for `mode`, and is a folder or not as wanted. */
static void check_path(struct check *check, struct conf_place place, const char *what,
                       const char *path, bool folder, int mode)
{
    struct stat state;
    const char *file = check->conf->source.at;
    struct conf_quoted shown = conf_quote(rill_span_of(path));
    if (stat(path, &state) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            missing(check, place, what, path, "make it or correct the path");
        else
            conf_report_add(check->report, file, CONF_NOTICE, place,
                            "%s \"%s\" cannot be looked at by this user: %s", what, shown.text,
                            rill_strerror(-errno));
    } else if (S_ISDIR(state.st_mode) != folder) {
        conf_report_add(check->report, file, CONF_ERROR, place, "%s \"%s\" is %s; correct the path",
                        what, shown.text, folder ? "no folder" : "a folder, not a file");
        check->errors++;
    } else if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0) {
        conf_report_add(check->report, file, CONF_NOTICE, place,
                        "%s \"%s\" cannot be %s by this user: %s", what, shown.text,
                        mode & W_OK ? "written" : "read", rill_strerror(-errno));
    }
}

/* A file that the daemon makes: its folder must be there, and if something of its name is there it is
 * used for `mode`. */
static void check_made(struct check *check, struct conf_place place, const char *name,
                       rill_span path, int mode)
{
    char what[32];
    const char *slash = memrchr(path.at, '/', path.size);
    snprintf(what, sizeof what, "the folder of %s", name);
    if (access(path.at, F_OK) == 0)
        check_path(check, place, name, path.at, false, mode);
    if (!slash)
        return; /* relative, from the command line: the working directory */
    char *folder = rill_copy(path.at, slash > path.at ? (size_t)(slash - path.at) : 1);
    if (!folder)
        check->no_memory = true;
    else
        check_path(check, place, what, folder, true, W_OK | X_OK);
    rill_free(folder);
}

static void check_log(struct check *check, const char *name, const struct conf_log_target *target)
{
    if (target->to == CONF_LOG_FILE)
        check_made(check, target->place, name, target->path, W_OK);
}

static void check_route(struct check *check, const struct conf_route *route)
{
    if (route->kind == CONF_FILES)
        check_path(check, route->files.root_place, "root", route->files.root.at, true, R_OK | X_OK);
    if (route->kind != CONF_GATHER)
        return;
    for (size_t i = 0; i < route->gather.part_count; i++) {
        const struct conf_part *part = &route->gather.parts[i];
        if (part->file.size > 0)
            check_path(check, part->place, "file", part->file.at, false, R_OK);
    }
}

int conf_check_files(const struct conf *conf, struct conf_report *report)
{
    struct check check = { conf, report, 0, false };
    if (conf->pid_file.size > 0)
        check_made(&check, conf->pid_file_place, "pid_file", conf->pid_file, F_OK);
    check_log(&check, "access", &conf->log.access);
    check_log(&check, "error", &conf->log.error);
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct conf_listen *listen = &conf->listen[i];
        if (listen->address.length > 0 && listen->address.any.sa_family == AF_UNIX)
            check_made(&check, listen->place, "address", rill_span_of(listen->address.un.sun_path),
                       F_OK);
    }
    for (size_t i = 0; i < conf->route_count; i++)
        check_route(&check, &conf->routes[i]);
    if (check.no_memory)
        conf_report_add(report, conf->source.at, CONF_ERROR, (struct conf_place){ 0 },
                        "no memory to check it");
    return check.no_memory ? -ENOMEM : check.errors > 0 ? -ENOENT : 0;
}
