/* conf.h - the configuration: one immutable, plain struct, and the calls that make one.
 *
 * Everything that a struct conf refers to, itself included, lies in one contiguous region that the
 * caller gives; nothing stays on the heap. So the master can keep it in a sealed memory file that is
 * mapped at the same address in every worker: the pointers are valid there. It is never changed.
 *
 * A span in it that is not empty is followed by a zero octet that `size` does not count, so `at` is a
 * C string as well; an empty one means "none" and may have no `at`. Settings that the file leaves
 * out hold their default here.
 * The settings with their defaults, limits and meanings are the table in schema.c. */
#pragma once

#include <sys/types.h>

#include <rill/base.h>
#include <rill/net.h>
#include <rill/text.h>
#include <rill/time.h>

#define CONF_AUTO        0          /* a count that the user left to the daemon */
#define CONF_WORKERS_MAX 256        /* of `workers` */
#define CONF_MEMORY_SIZE (64 << 20) /* a region of this size holds every configuration */
#define CONF_ERRORS_MAX  20         /* entries of a report */

/* Where something stands in the file, counted from 1, columns in characters; line 0: nowhere. */
struct conf_place {
    uint32_t line, column;
};

/* --- listen --- */

struct conf_listen {
    rill_addr
        address; /* length 0 if `systemd` names the socket; port 0: any free one, one for all */
    rill_span systemd; /* NAME of systemd:NAME, else empty */
    unsigned backlog;
    mode_t mode; /* of the socket file of a unix: address */
    struct conf_place place;
};

/* --- log --- */

enum conf_log_to { CONF_LOG_OFF, CONF_LOG_STDOUT, CONF_LOG_STDERR, CONF_LOG_FILE };

enum conf_log_format { CONF_LOG_JSON, CONF_LOG_COMBINED };

enum conf_log_level { CONF_LOG_DEBUG, CONF_LOG_INFO, CONF_LOG_WARNING, CONF_LOG_ERROR };

struct conf_log_target {
    enum conf_log_to to;
    rill_span path; /* for CONF_LOG_FILE */
    struct conf_place place;
};

struct conf_log {
    struct conf_log_target access, error; /* `error` is never off */
    enum conf_log_format format;
    enum conf_log_level level;
    bool query;      /* false: no log shows the query of a request */
    uint64_t buffer; /* octets per worker and file */
};

/* --- limits --- */

struct conf_limits {
    uint64_t head_line, head_size; /* octets */
    unsigned head_fields;
    uint64_t body; /* octets; 0 refuses every body */
    rill_time head_timeout, idle_timeout, body_timeout, send_timeout;
    unsigned connections; /* per worker; CONF_AUTO: (descriptor limit - 64) / 2 */
};

/* --- routes --- */

/* A name with a value: a field of `header`, an extension (without its dot) of `types`. */
struct conf_pair {
    rill_span name, value;
};

enum conf_symlinks { CONF_SYMLINKS_BENEATH, CONF_SYMLINKS_NONE };

struct conf_files {
    rill_span root; /* absolute */
    const rill_span *index;
    size_t index_count;
    const struct conf_pair *types; /* before the built-in table */
    size_t type_count;
    bool hidden;
    enum conf_symlinks symlinks;
    struct conf_place root_place;
};

struct conf_respond {
    unsigned status;
    rill_span location; /* empty: none */
    rill_span body, type;
};

/* A part's path is the concatenation of its pieces. */
enum conf_piece_kind {
    CONF_PIECE_TEXT,  /* `text` as it is */
    CONF_PIECE_TAIL,  /* the path of the request below the route, encoded again */
    CONF_PIECE_QUERY, /* the query of the request without its question mark */
};

struct conf_piece {
    enum conf_piece_kind kind;
    rill_span text;
};

struct conf_part {
    rill_span name; /* the member of the answer */
    rill_span file; /* absolute; empty: the part is a url */
    rill_span host; /* of a url: `ADDRESS:PORT` as written, for the Host field */
    rill_addr address;
    const struct conf_piece *pieces; /* of a url: at least one, the first begins with a slash */
    size_t piece_count;
    rill_time timeout;
    bool optional;
    uint64_t part_max; /* octets */
    struct conf_place place;
};

struct conf_gather {
    rill_time deadline;
    uint64_t body_max; /* octets of all parts */
    rill_span cache_control;
    const struct conf_part *parts; /* in configuration order, which is that of the answer */
    size_t part_count;
};

enum conf_kind { CONF_FILES, CONF_RESPOND, CONF_GATHER };

struct conf_route {
    rill_span path; /* absolute, decoded and without dot segments, as in the file */
    bool prefix;    /* the path ends in a slash: the route holds all below it, too */
    enum conf_kind kind;

    union {
        struct conf_files files;
        struct conf_respond respond;
        struct conf_gather gather;
    };

    rill_time deadline;
    bool access_log;
    const struct conf_pair *header; /* set on final answers, replacing */
    size_t header_count;
    struct conf_place place;
};

/* --- all of it --- */

struct conf {
    rill_span source;   /* the file it came from, or "command line" */
    size_t memory_used; /* octets of the region in use, counted from its start */
    unsigned workers;   /* 1 to CONF_WORKERS_MAX; CONF_AUTO: see `workers` in schema.c */
    rill_span user;     /* empty: rilld, else nobody */
    rill_span group;    /* empty: the user's */
    struct conf_place user_place;
    rill_span pid_file; /* empty: none */
    struct conf_place pid_file_place;
    rill_time drain_timeout, drain_grace;
    struct conf_log log;
    struct conf_limits limits;
    const struct conf_listen *listen; /* in configuration order, 1 or more */
    size_t listen_count;
    const struct conf_route *routes; /* sorted by path, by octets; each path once */
    size_t route_count;
};

/* --- what is wrong with it --- */

enum conf_severity { CONF_ERROR, CONF_NOTICE };

/* One finding: a whole line without its end, `FILE:LINE:COL: error: CAUSE`, in printable UTF-8. */
struct conf_finding {
    struct conf_place place;
    enum conf_severity severity;
    char text[1024];
};

/* What reading found, in the order of the file. Loading begins it anew, conf_check_files adds to
 * it; valid when zeroed. Conf never prints; the caller does:
 *
 *     for (size_t i = 0; i < report.count; i++)
 *         fprintf(stderr, "%s\n", report.findings[i].text);
 */
struct conf_report {
    struct conf_finding findings[CONF_ERRORS_MAX];
    size_t count;
    size_t more;   /* findings that did not fit; those kept are the first of the file */
    size_t errors; /* findings that are errors, those of `more` included */
};

/* What the command line says in place of the file. */
struct conf_overrides {
    unsigned workers;     /* 0: as the file says */
    const char *pid_file; /* NULL: as the file says */
};

/* The version of the library that reads YAML. */
const char *conf_yaml_version(void);

/* The configuration in the file at `path`, complete and checked, but for what it refers to: see
 * conf_check_files.
 * Args: `overrides` may be NULL; `memory` is aligned for any object and holds `size` octets, of
 * which only the first conf->memory_used are touched.
 * Returns: 0 and the configuration, which lies in `memory`; -EINVAL (the report says what is
 * wrong, for instance that `path` is no regular file); -ENOBUFS (`memory` is too small for it); -ENOMEM; what reading the file gives, such as
 * -ENOENT. The report has at least one error whenever the result is not 0.
 * Owns: the region stays the caller's and holds the configuration. */
int conf_load(const char *path, const struct conf_overrides *overrides, void *memory, size_t size,
              struct conf_report *report, const struct conf **ret_conf);

/* As conf_load, for text that is already in memory; `name` is what the findings call it. */
int conf_load_text(const char *name, rill_span text, const struct conf_overrides *overrides,
                   void *memory, size_t size, struct conf_report *report,
                   const struct conf **ret_conf);

/* The configuration of `rilld --root DIR --listen ADDRESS...`: one files route at /, defaults else.
 * Args: a relative `root` counts from the working directory; without addresses it listens on
 * 127.0.0.1:8080. The rest, and what is returned, as for conf_load. */
int conf_from_root(const char *root, const char *const *listen, size_t listen_count,
                   const struct conf_overrides *overrides, void *memory, size_t size,
                   struct conf_report *report, const struct conf **ret_conf);

/* Look at the files and folders that the configuration refers to, without opening any for writing:
 * a missing one is an error, one that this user may not use is a notice.
 * Returns: 0 (at most notices were added to the report); -ENOENT (errors were); -ENOMEM. */
int conf_check_files(const struct conf *conf, struct conf_report *report);
