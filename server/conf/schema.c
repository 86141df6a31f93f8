/* schema.c - every setting of rilld.yaml: name, type, default, limits, meaning, and where it goes.
 *
 * The one table. The reader walks it, and deploy/rilld.schema.json and the table for readers
 * are made from it, so they cannot disagree. Sections stand before those that hold them: read it from
 * the end. What concerns more than one setting is in valid.c. */
#include "server/conf/schema.h"

#define LENGTH(array)         (sizeof(array) / sizeof *(array))
#define AT(type, member)      .offset = offsetof(type, member)
#define ITEMS(type, at, many) .offset = offsetof(type, at), .count_offset = offsetof(type, many)
#define SETTINGS(rows)        .settings = rows, .count = LENGTH(rows)

#define PATH "/.*"

enum {
    BACKLOG_MAX = 65535,
    CONNECTIONS_MAX = 1 << 20,
    EXTENSIONS_MAX = 256,
    FIELDS_MAX = 32,
    FIELD_SIZE_MAX = 4096,
    FORM_MAX = 255, /* octets of a name, a type */
    INDEX_MAX = 8,
    LISTEN_MAX = 64,
    PARTS_MAX = 64,
    PATH_SIZE_MAX = 4095,
    ROUTES_MAX = 4096,
};

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

/* --- Entries of `parts`. --- */

#define PART struct conf_part
static const struct conf_setting part_settings[] = {
    { "url", CONF_TYPE_CUSTOM, .convert = conf_convert_url, .label = "URL", .pattern = "http://.*",
      .min = 1, .max = FIELD_SIZE_MAX,
      .help = "`http://ADDRESS:PORT/PATH`; the path may hold `{tail}`, what the request has below "
              "the route, and after a question mark `{query}`, the query of the request" },
    { "file", CONF_TYPE_STRING, AT(PART, file), .label = "path", .pattern = PATH, .min = 1,
      .max = PATH_SIZE_MAX, .form = conf_form_path,
      .help = "a file that is read for each request" },
    { "timeout", CONF_TYPE_DURATION, AT(PART, timeout), .derived = "`gather.deadline`",
      .min = (uint64_t)RILL_MS(1), .max = (uint64_t)RILL_SEC(60),
      .help = "when the part has failed; not above the gather's `deadline`" },
    { "optional", CONF_TYPE_BOOL, AT(PART, optional), .fallback = "no",
      .help = "whether the answer is good without this part" },
    { "part_max", CONF_TYPE_SIZE, AT(PART, part_max), .derived = "`256k`", .min = 1, .max = MIB(16),
      .help = "largest body of the part; not above the gather's `body_max`, which also bounds the "
              "default" },
};

static const struct conf_section part_section = {
    .name = "part",
    SETTINGS(part_settings),
    .size = sizeof(PART),
    .named = true,
    .name_offset = offsetof(PART, name),
    .one_of = { "url", "file" },
};

/* --- The kinds of routes. --- */

#define GATHER struct conf_gather
static const struct conf_setting gather_settings[] = {
    { "deadline", CONF_TYPE_DURATION, AT(GATHER, deadline), .fallback = "1s",
      .min = (uint64_t)RILL_MS(1), .max = (uint64_t)RILL_SEC(60),
      .help = "time for all parts together; what is ready then is what is sent" },
    { "body_max", CONF_TYPE_SIZE, AT(GATHER, body_max), .fallback = "1m", .min = 1, .max = MIB(16),
      .help = "largest sum of the parts' bodies" },
    { "cache_control", CONF_TYPE_STRING, AT(GATHER, cache_control), .fallback = "no-store",
      .max = FIELD_SIZE_MAX, .form = conf_form_field_value,
      .help = "the answer's `Cache-Control`; empty: none" },
    { "parts", CONF_TYPE_MAP, ITEMS(GATHER, parts, part_count), .min = 1, .max = PARTS_MAX,
      .section = &part_section, .name_form = conf_form_part_name,
      .example = "parts: {NAME: {url: \"http://127.0.0.1:9001/\"}}",
      .help = "the members of the answer, in this order; names of `A-Z a-z 0-9 _ -`, up to 64 "
              "octets, not beginning with an underscore" },
};

static const struct conf_section gather_section = {
    .name = "gather",
    SETTINGS(gather_settings),
    .size = sizeof(GATHER),
    .check = conf_valid_gather,
};

#define RESPOND struct conf_respond
static const struct conf_setting respond_settings[] = {
    { "status", CONF_TYPE_COUNT, AT(RESPOND, status), .fallback = "200", .min = 200, .max = 599,
      .help = "the status of every answer" },
    { "location", CONF_TYPE_STRING, AT(RESPOND, location), .min = 1, .max = FIELD_SIZE_MAX,
      .form = conf_form_location, .help = "the answer's `Location`; with status 201 and 3xx" },
    { "body", CONF_TYPE_STRING, AT(RESPOND, body), .max = CONF_SCALAR_MAX,
      .help = "the octets of every answer; not with status 204, 205 and 304" },
    { "type", CONF_TYPE_STRING, AT(RESPOND, type), .fallback = "text/plain; charset=utf-8",
      .min = 1, .max = FORM_MAX, .form = conf_form_media_type, .help = "the media type of `body`" },
};

static const struct conf_section respond_section = {
    .name = "respond",
    SETTINGS(respond_settings),
    .size = sizeof(RESPOND),
    .check = conf_valid_respond,
};

#define FILES struct conf_files
static const struct conf_word symlinks_words[] = { { "beneath", CONF_SYMLINKS_BENEATH },
                                                   { "none", CONF_SYMLINKS_NONE },
                                                   { 0 } };

static const struct conf_setting files_settings[] = {
    { "root", CONF_TYPE_STRING, AT(FILES, root), .label = "path", .pattern = PATH, .min = 1,
      .max = PATH_SIZE_MAX, .form = conf_form_path, .example = "root: /srv/www",
      .help = "the folder that is served; nothing outside it ever is" },
    { "index", CONF_TYPE_LIST, ITEMS(FILES, index, index_count), .fallback = "index.html",
      .label = "list of file name", .max = INDEX_MAX, .form = conf_form_segment,
      .help = "the files that answer for a folder, the first that exists" },
    { "types", CONF_TYPE_MAP, ITEMS(FILES, types, type_count), .label = "map of extension to type",
      .max = EXTENSIONS_MAX, .form = conf_form_media_type, .name_form = conf_form_extension,
      .help = "media types by extension, without its dot, before the built-in table" },
    { "hidden", CONF_TYPE_BOOL, AT(FILES, hidden), .fallback = "no",
      .help = "serve names that begin with a dot" },
    { "symlinks", CONF_TYPE_WORD, AT(FILES, symlinks), .fallback = "beneath",
      .words = symlinks_words,
      .help = "follow symbolic links that stay below `root`, or none at all" },
};

static const struct conf_section files_section = {
    .name = "files",
    SETTINGS(files_settings),
    .size = sizeof(FILES),
    .check = conf_valid_files,
};

/* --- Entries of `routes`. --- */

#define ROUTE struct conf_route
static const struct conf_setting route_settings[] = {
    { "deadline", CONF_TYPE_DURATION, AT(ROUTE, deadline), .fallback = "30s",
      .min = (uint64_t)RILL_MS(1), .max = (uint64_t)RILL_SEC(3600),
      .help = "from the last octet of the request to the last of the answer's head" },
    { "header", CONF_TYPE_MAP, ITEMS(ROUTE, header, header_count), .label = "map of field to value",
      .max = FIELDS_MAX, .form = conf_form_field_value, .name_form = conf_form_field_name,
      .help = "fields set on final answers, replacing; not those of framing or the connection, nor "
              "`Date` and `Content-Range`" },
    { "access_log", CONF_TYPE_BOOL, AT(ROUTE, access_log), .fallback = "yes",
      .help = "record requests of this route; refusals always are" },
    { "files", CONF_TYPE_SECTION, AT(ROUTE, files), .section = &files_section,
      .help = "files of a folder; the path of the route ends in a slash" },
    { "respond", CONF_TYPE_SECTION, AT(ROUTE, respond), .section = &respond_section,
      .help = "one fixed answer" },
    { "gather", CONF_TYPE_SECTION, AT(ROUTE, gather), .section = &gather_section,
      .help = "several upstream requests and files at once, answered as one JSON object" },
};

static const struct conf_section route_section = {
    .name = "route",
    SETTINGS(route_settings),
    .size = sizeof(ROUTE),
    .named = true,
    .name_offset = offsetof(ROUTE, path),
    .one_of = { "files", "respond", "gather" },
    .check = conf_valid_route,
};

/* --- Items of `listen`. --- */

#define LISTEN struct conf_listen
static const struct conf_setting listen_settings[] = {
    { "address", CONF_TYPE_CUSTOM, .convert = conf_convert_listen, .label = "address",
      .pattern = "([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]+|unix:/.+|systemd:.+", .min = 1,
      .max = FORM_MAX, .example = "address: 127.0.0.1:8080",
      .help =
          "`IPv4:PORT`, `[IPv6]:PORT`, `unix:PATH`, or `systemd:NAME` for an inherited socket" },
    { "backlog", CONF_TYPE_COUNT, AT(LISTEN, backlog), .fallback = "4096", .min = 1,
      .max = BACKLOG_MAX, .help = "connections that wait to be accepted; the kernel caps it" },
    { "mode", CONF_TYPE_OCTAL, AT(LISTEN, mode), .fallback = "0660", .max = 0777,
      .help = "permissions of the socket file; with `unix:`" },
};

static const struct conf_section listen_section = {
    .name = "listen",
    SETTINGS(listen_settings),
    .size = sizeof(LISTEN),
    .bare = "address",
    .check = conf_valid_listen,
};

/* --- limits and log. --- */

#define LIMITS       struct conf_limits
#define SILENCE(row) AT(LIMITS, row), .min = (uint64_t)RILL_SEC(1), .max = (uint64_t)RILL_SEC(3600)
static const struct conf_setting limits_settings[] = {
    { "head_line", CONF_TYPE_SIZE, AT(LIMITS, head_line), .fallback = "8k", .min = KIB(1),
      .max = KIB(64), .help = "longest request line; above it 414" },
    { "head_size", CONF_TYPE_SIZE, AT(LIMITS, head_size), .fallback = "16k", .min = KIB(1),
      .max = KIB(256), .help = "largest field section; above it 431" },
    { "head_fields", CONF_TYPE_COUNT, AT(LIMITS, head_fields), .fallback = "100", .min = 8,
      .max = 1000, .help = "most field lines; above it 431" },
    { "body", CONF_TYPE_SIZE, AT(LIMITS, body), .fallback = "1m", .max = MIB(1024 * 1024),
      .help = "largest request body; above it 413, and 0 refuses every body" },
    { "head_timeout", CONF_TYPE_DURATION, SILENCE(head_timeout), .fallback = "10s",
      .help = "time for a request's head, in total; after it 408" },
    { "idle_timeout", CONF_TYPE_DURATION, SILENCE(idle_timeout), .fallback = "60s",
      .help = "time between two requests; after it the connection is closed" },
    { "body_timeout", CONF_TYPE_DURATION, SILENCE(body_timeout), .fallback = "30s",
      .help = "silence within a request's body; after it 408" },
    { "send_timeout", CONF_TYPE_DURATION, SILENCE(send_timeout), .fallback = "30s",
      .help = "silence of a client that does not read its answer; after it the connection is cut" },
    { "connections", CONF_TYPE_COUNT, AT(LIMITS, connections), .fallback = "auto",
      .automatic = true, .min = 16, .max = CONNECTIONS_MAX,
      .help = "per worker; `auto`: (descriptor limit - 64) / 2" },
};

static const struct conf_section limits_section = {
    .name = "limits",
    SETTINGS(limits_settings),
    .size = sizeof(LIMITS),
};

#define LOG struct conf_log
static const struct conf_word access_words[] = {
    { "off", CONF_LOG_OFF }, { "stdout", CONF_LOG_STDOUT }, { "stderr", CONF_LOG_STDERR }, { 0 }
};
static const struct conf_word error_words[] = { { "stdout", CONF_LOG_STDOUT },
                                                { "stderr", CONF_LOG_STDERR },
                                                { 0 } };
static const struct conf_word format_words[] = { { "json", CONF_LOG_JSON },
                                                 { "combined", CONF_LOG_COMBINED },
                                                 { 0 } };
static const struct conf_word level_words[] = { { "debug", CONF_LOG_DEBUG },
                                                { "info", CONF_LOG_INFO },
                                                { "warning", CONF_LOG_WARNING },
                                                { "error", CONF_LOG_ERROR },
                                                { 0 } };

static const struct conf_setting log_settings[] = {
    { "access", CONF_TYPE_CUSTOM, AT(LOG, access), .fallback = "stdout", .label = "path",
      .pattern = PATH, .words = access_words, .min = 1, .max = PATH_SIZE_MAX,
      .convert = conf_convert_log, .help = "where the record of each request goes" },
    { "error", CONF_TYPE_CUSTOM, AT(LOG, error), .fallback = "stderr", .label = "path",
      .pattern = PATH, .words = error_words, .min = 1, .max = PATH_SIZE_MAX,
      .convert = conf_convert_log, .help = "where messages go" },
    { "format", CONF_TYPE_WORD, AT(LOG, format), .fallback = "json", .words = format_words,
      .help = "the form of access records" },
    { "level", CONF_TYPE_WORD, AT(LOG, level), .fallback = "info", .words = level_words,
      .help = "the least important message that is written" },
    { "query", CONF_TYPE_BOOL, AT(LOG, query), .fallback = "yes",
      .help = "`no` leaves the query of requests out of all logs" },
    { "buffer", CONF_TYPE_SIZE, AT(LOG, buffer), .fallback = "1m", .min = KIB(64), .max = MIB(64),
      .help = "lines that wait for a slow disk, per worker and file; then they are dropped and "
              "counted" },
};

static const struct conf_section log_section = {
    .name = "log",
    SETTINGS(log_settings),
    .size = sizeof(LOG),
};

/* --- The file. --- */

#define CONF struct conf
static const struct conf_setting file_settings[] = {
    { "workers", CONF_TYPE_COUNT, AT(CONF, workers), .fallback = "auto", .automatic = true,
      .min = 1, .max = CONF_WORKERS_MAX,
      .help = "worker processes; `auto`: CPUs of the affinity mask, capped by the cgroup's CPU "
              "quota rounded up" },
    { "user", CONF_TYPE_CUSTOM, .convert = conf_convert_user, .label = "`NAME[:GROUP]`",
      .derived = "`rilld`, else `nobody`", .min = 1, .max = 2 * FORM_MAX,
      .help = "whom workers run as; only when started as root, otherwise ignored with a notice" },
    { "pid_file", CONF_TYPE_STRING, AT(CONF, pid_file), .label = "path", .pattern = PATH, .min = 1,
      .max = PATH_SIZE_MAX, .form = conf_form_path,
      .help = "written when all workers are ready; `--pid-file` wins" },
    { "drain_timeout", CONF_TYPE_DURATION, AT(CONF, drain_timeout), .fallback = "30s",
      .max = (uint64_t)RILL_SEC(3600), .help = "when a drain cuts what is still running" },
    { "drain_grace", CONF_TYPE_DURATION, AT(CONF, drain_grace), .fallback = "2s",
      .max = (uint64_t)RILL_SEC(60),
      .help = "how long a drain keeps idle connections for one more request" },
    { "log", CONF_TYPE_SECTION, AT(CONF, log), .section = &log_section, .help = "the logs" },
    { "limits", CONF_TYPE_SECTION, AT(CONF, limits), .section = &limits_section,
      .help = "what one client can use" },
    { "listen", CONF_TYPE_LIST, ITEMS(CONF, listen, listen_count), .min = 1, .max = LISTEN_MAX,
      .section = &listen_section, .example = "listen: [127.0.0.1:8080]",
      .label = "list of address or section",
      .help = "where connections come from; a bare address is short for `{address: it}`" },
    { "routes", CONF_TYPE_MAP, ITEMS(CONF, routes, route_count), .max = ROUTES_MAX,
      .section = &route_section, .name_form = conf_form_route, .label = "map of path to route",
      .help = "what answers; a final slash makes a prefix, exact wins over prefix, the longest "
              "prefix wins" },
};

const struct conf_section conf_schema = {
    .name = "",
    SETTINGS(file_settings),
    .size = sizeof(CONF),
    .check = conf_valid_file,
};
