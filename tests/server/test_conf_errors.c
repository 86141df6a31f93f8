/* test_conf_errors.c - what the configuration refuses: every kind of error with place and text.
 *
 * Each row is a whole file and the whole report. `OK` is the shortest valid file, so that a row has
 * nothing wrong but what it is about. */
#include "server/conf/conf.h"

#include <rill/mem.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK       "listen: [127.0.0.1:1]\n" /* line 1 */
#define ROUTE    OK "routes:\n  /a/:\n"    /* lines 1 to 3 */
#define GATHER   ROUTE "    gather:\n      parts:\n"
#define URL(url) GATHER "        p: {url: \"" url "\"}\n"

static _Alignas(16) char memory[CONF_MEMORY_SIZE];
static struct conf_report report;

static int load(rill_span text)
{
    const struct conf *conf = NULL;
    int r = conf_load_text("f", text, NULL, memory, sizeof memory, &report, &conf);
    assert_true((r == 0) == (conf != NULL));
    assert_true((r == 0) == (report.errors == 0));
    return r;
}

struct row {
    const char *text, *report;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        static char lines[CONF_ERRORS_MAX * 1024];
        rill_text all = { lines, sizeof lines, 0, false };
        int r = load(rill_span_of(rows[i].text));
        for (size_t k = 0; k < report.count; k++)
            rill_text_fmt(&all, "%s%s", k > 0 ? "\n" : "", report.findings[k].text);
        assert_string_equal(rill_text_end(&all), rows[i].report);
        assert_int_equal(r, rows[i].report[0] ? -EINVAL : 0);
    }
}

#define CHECK_ROWS(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void syntax_is_refused_with_place_and_hint(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "log: [a\nlisten: b\n",
          "f:2:7: error: syntax: did not find expected ',' or ']', while parsing a flow sequence "
          "that began at line 1, column 6; close the list with ], and put a value with brackets "
          "into quotes" },
        { "log: {a: {b}c}",
          "f:1:13: error: syntax: did not find expected ',' or '}', while parsing a flow mapping "
          "that began at line 1, column 6; close the map with }, and put a value with braces into "
          "quotes" },
        { "a: b: c",
          "f:1:5: error: syntax: mapping values are not allowed in this context; put a value that "
          "holds \": \" into quotes, or check the indentation" },
        { "log:\n  access: off\n format: json\n",
          "f:3:2: error: syntax: did not find expected key, while parsing a block mapping that "
          "began at line 1, column 1; check the indentation" },
        { "log:\n  access: \"off\n",
          "f:3:1: error: syntax: found unexpected end of stream, while scanning a quoted scalar "
          "that began at line 2, column 11; close the quotes" },
        { "log\nlisten: x\n",
          "f:2:7: error: syntax: mapping values are not allowed in this context; put a value that "
          "holds \": \" into quotes, or check the indentation" },
        { "\xc3\xa9: 1\nlog:\n\taccess: off\n",
          "f:3:1: error: syntax: found character that cannot start any token; indent with spaces, "
          "not with tabs" },
        { "user: @me\n",
          "f:1:7: error: syntax: found character that cannot start any token; put the value into "
          "quotes" },
        { "# a\n%YAML 1.2\n---\n",
          "f:2:1: error: a line that begins with % is a directive of YAML; remove or indent it" },
        { "#\r%TAG x y\r",
          "f:2:1: error: a line that begins with % is a directive of YAML; remove or indent it" },
    };
    CHECK_ROWS(rows);
}

static void octets_that_are_no_text_are_refused_at_their_place(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "a: b\r\nx\xc3\xa9: \xff\n",
          "f:2:5: error: not UTF-8 (invalid leading UTF-8 octet); save the file as UTF-8" },
        { "a: \xed\xa0\x80\n",
          "f:1:4: error: not UTF-8 (invalid Unicode character); save the file as UTF-8" },
        { "a: \xc3", "f:1:4: error: not UTF-8 (incomplete UTF-8 octet sequence); save the file as "
                     "UTF-8" },
        { "a\xe2\x80\xa8 b: \x01",
          "f:2:5: error: control character U+0001; remove it, or write it as \"\\x01\" in quotes" },
    };
    CHECK_ROWS(rows);
    assert_int_equal(load(RILL_SPAN("a: \0")), -EINVAL);
    assert_string_equal(report.findings[0].text, "f:1:4: error: control character U+0000; remove "
                                                 "it, or write it as \"\\x00\" in quotes");
    assert_int_equal(load(RILL_SPAN("\xff\xfe\x61\0")), -EINVAL); /* UTF-16 */
    assert_string_equal(
        report.findings[0].text,
        "f:1:1: error: not UTF-8 (invalid leading UTF-8 octet); save the file as UTF-8");
}

static void yaml_with_two_readings_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "listen: &x [127.0.0.1:1]\n",
          "f:1:9: error: anchor \"&x\" is not supported; write the value out where it is used" },
        { OK "user: *x\n",
          "f:2:7: error: alias \"*x\" is not supported; write the value out, or quote it" },
        { OK "log: !!map {}\n", "f:2:6: error: tag \"!!map\" is not supported; remove it, the "
                                "setting tells the type" },
        { OK "log: !<x> {}\n",
          "f:2:6: error: tag \"x\" is not supported; remove it, the setting tells the type" },
        { OK "user: !!str a\n", "f:2:7: error: tag \"!!str\" is not supported; remove it, the "
                                "setting tells the type" },
        { OK "log:\n  <<: {level: info}\n",
          "f:3:3: error: merge key \"<<\" is not supported; write the settings out" },
        { OK "? [a]\n: b\n? {a: b}\n: c\n",
          "f:2:3: error: a name is a list; write a text, in quotes if it begins with { or [\n"
          "f:4:3: error: a name is a map; write a text, in quotes if it begins with { or [" },
        { OK "---\n" OK,
          "f:2:1: error: a second document begins; a file holds one, remove the \"---\"" },
        { "[[[[[[[[[[[[[[[[[", "f:1:17: error: more than 16 levels inside each other; flatten it" },
        { "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
          "f:1:1: error: the file is no map; write \"NAME: VALUE\" lines below it" },
        { "\"<<\": 1\n" OK, "f:1:1: error: unknown name \"<<\" in the file; it takes workers, "
                            "user, pid_file, drain_timeout, drain_grace, log, limits, listen, "
                            "routes" },
    };
    CHECK_ROWS(rows);
}

static void names_are_answered_with_the_nearest_or_the_list(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { OK "wokers: 1\n", "f:2:1: error: unknown name \"wokers\" in the file; did you mean "
                            "\"workers\"?" },
        { OK "include: [a]\n",
          "f:2:1: error: unknown name \"include\" in the file; it takes workers, user, pid_file, "
          "drain_timeout, drain_grace, log, limits, listen, routes" },
        { ROUTE "    files:\n      rot: /srv\n      root: /srv\n",
          "f:5:7: error: unknown name \"rot\" in files; did you mean \"root\"?" },
        { ROUTE "    respond:\n    proxy: {}\n",
          "f:5:5: error: unknown name \"proxy\" in route \"/a/\"; it takes deadline, header, "
          "access_log, files, respond, gather" },
        { GATHER "        p: {file: /x, timeuot: 1s}\n",
          "f:6:23: error: unknown name \"timeuot\" in part \"p\"; did you mean \"timeout\"?" },
        { "listen: [{address: 127.0.0.1:1, tls_key: x}]\n",
          "f:1:33: error: unknown name \"tls_key\" in listen; it takes address, backlog, mode" },
    };
    CHECK_ROWS(rows);
}

static void a_name_twice_shows_both_places(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { OK "user: a\nuser: b\nuser: c\n",
          "f:3:1: error: name \"user\" twice in the file; first at line 2\n"
          "f:4:1: error: name \"user\" twice in the file; first at line 2" },
        { ROUTE "    respond:\n  /b: {respond: }\n  /a/:\n    respond:\n",
          "f:6:3: error: name \"/a/\" twice in routes; first at line 3" },
        { OK "routes: {\"/$${A}\": {respond: }, \"/${RILL_X:-$}{A}\": {respond: }}\n",
          "f:2:33: error: name \"/${A}\" twice in routes; first at line 2" },
        { "listen:\n- {mode: 1, mode: 2, address: unix:/x}\n",
          "f:2:13: error: name \"mode\" twice in this map; first at line 2" },
        { ROUTE "    header: {A-b: 1, a-B: 2}\n    respond:\n",
          "f:4:22: error: field \"a-B\" twice in header, where case does not count; remove one" },
    };
    CHECK_ROWS(rows);
}

static void variables_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    unsetenv("RILL_UNSET");
    static const struct row rows[] = {
        { OK "user: ${RILL_UNSET}\n", "f:2:7: error: the variable \"RILL_UNSET\" is not set; set "
                                      "it, or write ${RILL_UNSET:-default}" },
        { OK "user: a${RILL\n", "f:2:7: error: \"${\" without \"}\"; close it, or write $${" },
        { OK "user: ${}\n", "f:2:7: error: \"${}\" names no variable; write ${NAME}, or $${ for "
                            "the characters ${" },
        { OK "user: ${1A:-b}\n", "f:2:7: error: \"${1A:-b}\" names no variable; write ${NAME}, or "
                                 "$${ for the characters ${" },
        { OK "routes:\n  ${RILL_UNSET}: {respond: }\n",
          "f:3:3: error: the variable \"RILL_UNSET\" is not set; set it, or write "
          "${RILL_UNSET:-default}" },
    };
    CHECK_ROWS(rows);
}

static void wrong_shapes_say_what_to_write(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", "f:1:1: error: the file has no listen; add \"listen: [127.0.0.1:8080]\"" },
        { "listen: 127.0.0.1:80\n",
          "f:1:9: error: listen is no list; write \"[ITEM, ...]\" or \"- ITEM\" lines" },
        { "listen: []\n", "f:1:1: error: listen has 0 entries; it takes 1 to 64" },
        { "listen:\n", "f:1:1: error: listen has 0 entries; it takes 1 to 64" },
        { OK "log: x\n", "f:2:6: error: log is no map; write \"NAME: VALUE\" lines below it" },
        { OK "log: \"\"\n", "f:2:6: error: log is no map; write \"NAME: VALUE\" lines below it" },
        { OK "routes: [a]\n",
          "f:2:9: error: routes is no map; write \"NAME: VALUE\" lines below it" },
        { OK "workers: [1]\n", "f:2:10: error: workers is a list; write a single value, in quotes "
                               "if it begins with { or [" },
        { URL("http://127.0.0.1:1/") "          \n      cache_control: {a}\n",
          "f:8:22: error: cache_control is a map; write a single value, in quotes if it begins "
          "with { or [" },
        { OK "workers:\n", "f:2:9: error: workers is empty; give it a value or remove it" },
        { OK "pid_file:\n", "f:2:10: error: pid_file is empty; give it a value or remove it" },
        { "listen: [[127.0.0.1:1]]\n",
          "f:1:10: error: listen is no map; write \"NAME: VALUE\" lines below it" },
        { "listen: [{mode: 1}]\n",
          "f:1:10: error: listen has no address; add \"address: 127.0.0.1:8080\"" },
    };
    CHECK_ROWS(rows);
}

static void values_of_the_wrong_type_say_how_to_write_them(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { OK "drain_grace: 150\n",
          "f:2:14: error: drain_grace \"150\" has no unit; write \"150ms\" or \"150s\"" },
        { OK "drain_grace: 1.5s\n", "f:2:14: error: drain_grace \"1.5s\" is no duration; write "
                                    "digits and ms, s, m, h or d, such as \"10s\"" },
        { OK "drain_grace: s\n", "f:2:14: error: drain_grace \"s\" is no duration; write digits "
                                 "and ms, s, m, h or d, such as \"10s\"" },
        { OK "drain_grace: 61s\n",
          "f:2:14: error: drain_grace \"61s\" is out of range; write 0s to 1m" },
        { OK "drain_grace: 99999999999999d\n",
          "f:2:14: error: drain_grace \"99999999999999d\" is out of range; write 0s to 1m" },
        { OK "log: {buffer: 64kb}\n", "f:2:15: error: buffer \"64kb\" is no size; write digits, "
                                      "and k, m or g behind them, such as \"64k\"" },
        { OK "log: {buffer: 64K}\n", "f:2:15: error: buffer \"64K\" is no size; write digits, "
                                     "and k, m or g behind them, such as \"64k\"" },
        { OK "log: {buffer: 1g}\n",
          "f:2:15: error: buffer \"1g\" is out of range; write 64k to 64m" },
        { OK "workers: many\n",
          "f:2:10: error: workers \"many\" is no count; write auto or decimal digits" },
        { OK "workers: 0\n",
          "f:2:10: error: workers \"0\" is out of range; write auto or 1 to 256" },
        { OK "limits: {head_fields: auto}\n",
          "f:2:23: error: head_fields \"auto\" is no count; write decimal digits" },
        { OK "limits: {head_fields: 0x10}\n",
          "f:2:23: error: head_fields \"0x10\" is no count; write decimal digits" },
        { OK "log: {query: maybe}\n",
          "f:2:14: error: query \"maybe\" is neither yes nor no; write one of them" },
        { OK "log: {query: Yes}\n",
          "f:2:14: error: query \"Yes\" is neither yes nor no; write one of them" },
        { OK "log: {level: warn}\n", "f:2:14: error: level \"warn\" is unknown; write one of "
                                     "debug, info, warning, error" },
        { OK "log: {format: jsno}\n",
          "f:2:15: error: format \"jsno\" is unknown; did you mean \"json\"?" },
        { OK "log: {access: logs/a}\n", "f:2:15: error: access \"logs/a\" is no target; write an "
                                        "absolute path or one of off, stdout, stderr" },
        { OK "log: {error: off}\n", "f:2:14: error: error \"off\" is no target; write an absolute "
                                    "path or one of stdout, stderr" },
        { OK "pid_file: run/x\n",
          "f:2:11: error: pid_file \"run/x\" is not absolute; begin it with a slash" },
        { OK "pid_file: \"/run\\n/x\"\n",
          "f:2:11: error: pid_file \"/run?/x\" holds a control character; remove it" },
        { OK "user: a b\n", "f:2:7: error: user \"a b\" is no account; write NAME or NAME:GROUP" },
        { OK "user: \"a:\"\n",
          "f:2:7: error: user \"a:\" is no account; write NAME or NAME:GROUP" },
        { OK "user: a:b:c\n",
          "f:2:7: error: user \"a:b:c\" is no account; write NAME or NAME:GROUP" },
    };
    CHECK_ROWS(rows);
}

static void listen_refuses_what_is_no_address(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "listen: [localhost:80]\n", "f:1:10: error: address \"localhost:80\" is no address; "
                                      "write IPv4:PORT, \"[IPv6]:PORT\", "
                                      "unix:PATH or systemd:NAME" },
        { "listen: [127.0.0.1]\n",
          "f:1:10: error: address \"127.0.0.1\" has no port; add one, such as \":80\"" },
        { "listen: [127.0.0.1:65536]\n",
          "f:1:10: error: address \"127.0.0.1:65536\" has no valid port; write one from 0 to 65535 "
          "without leading zeros" },
        { "listen: [unix:a]\n",
          "f:1:10: error: address \"unix:a\" has a relative path; begin it with a slash" },
        { "listen: [\"systemd:\"]\n",
          "f:1:10: error: address \"systemd:\" names no socket; write the FileDescriptorName= of "
          "the socket unit" },
        { "listen:\n- \"[::1]:80\"\n- systemd:a\n- \"[0::1]:80\"\n- address: systemd:a\n",
          "f:4:3: error: an address twice in listen; first at line 2\n"
          "f:5:3: error: an address twice in listen; first at line 3" },
        { "listen: [{address: 127.0.0.1:1, mode: 0600}]\n",
          "f:1:33: error: mode is for the socket file of a unix: address; remove it" },
        { "listen: [{address: systemd:a, backlog: 1}]\n",
          "f:1:31: error: backlog is set by the socket unit of a systemd: address; remove it" },
        { "listen: [{address: unix:/x, mode: 1000}]\n",
          "f:1:35: error: mode \"1000\" is no mode; write octal digits, 0000 to 0777" },
        { "listen: [{address: unix:/x, mode: 0648}]\n",
          "f:1:35: error: mode \"0648\" is no mode; write octal digits, 0000 to 0777" },
    };
    CHECK_ROWS(rows);
}

static void routes_refuse_paths_that_no_request_has(void **state)
{
    (void)state;
#define PATH(path, why)                                       \
    {                                                         \
        OK "routes: {\"" path "\": {respond: }}\n",           \
            "f:2:10: error: name \"" path "\" in routes " why \
    }
    static const struct row rows[] = {
        PATH("a", "does not begin with a slash; write the path, such as /app/"),
        PATH("", "does not begin with a slash; write the path, such as /app/"),
        PATH("/a?b", "holds ? or #; a route is a path alone"),
        PATH("/a#b", "holds ? or #; a route is a path alone"),
        PATH("/a/../b", "holds . or .. between slashes, which no request path keeps; remove it"),
        PATH("/a/.", "holds . or .. between slashes, which no request path keeps; remove it"),
        PATH("/../", "holds . or .. between slashes, which no request path keeps; remove it"),
        PATH("/a%20b", "is percent-encoded; routes are written decoded"),
        { OK "routes: {\"/a/..b/.c/d.\": {respond: }, \"/100%\": {respond: }, //: {respond: }}\n",
          "" },
    };
    CHECK_ROWS(rows);
}

static void a_route_has_exactly_one_kind(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { ROUTE "    deadline: 1s\n",
          "f:3:3: error: route \"/a/\" has none of files, respond, gather; add one" },
        { ROUTE "    respond:\n    files: {root: /x}\n",
          "f:4:5: error: route \"/a/\" has both files and respond; keep one" },
        { OK "routes: {/a: {files: {root: /x}}}\n",
          "f:2:10: error: route \"/a\" has files but no final slash; write \"/a/\"" },
        { ROUTE "    files: {hidden: yes}\n",
          "f:4:5: error: files has no root; add \"root: /srv/www\"" },
        { ROUTE "    gather: {deadline: 1s}\n",
          "f:4:5: error: gather has no parts; add \"parts: {NAME: {url: "
          "\"http://127.0.0.1:9001/\"}}\"" },
        { GATHER "        p: {}\n", "f:6:9: error: part \"p\" has none of url, file; add one" },
        { GATHER "        p: {file: /x, url: \"http://127.0.0.1:1\"}\n",
          "f:6:13: error: part \"p\" has both url and file; keep one" },
    };
    CHECK_ROWS(rows);
}

static void kinds_refuse_settings_they_cannot_use(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { ROUTE "    respond:\n      location: /x\n",
          "f:5:7: error: location with status 200; set a status of 201 or 3xx, or remove it" },
        { ROUTE "    respond: {status: 204, body: x}\n",
          "f:4:28: error: body with status 204, which has none; remove it" },
        { ROUTE "    respond: {status: 199, location: /x}\n",
          "f:4:23: error: status \"199\" is out of range; write 200 to 599" },
        { ROUTE "    respond: {status: 401}\n",
          "f:4:23: error: status 401 needs the field WWW-Authenticate; set it in header" },
        { ROUTE "    respond: {status: 405}\n    header: {X: y}\n",
          "f:4:23: error: status 405 needs the field Allow; set it in header" },
        { ROUTE "    respond: {status: 401}\n    header: {www-authenticate: Basic}\n", "" },
        { ROUTE "    respond: {status: 426}\n",
          "f:4:23: error: status 426 needs a field that differs from answer to answer; choose "
          "another" },
        { ROUTE "    respond: {status: 301, location: /a b}\n",
          "f:4:38: error: location \"/a b\" holds an octet that a URI may not; percent-encode it" },
        { ROUTE "    respond: {status: 301, location: /\xc3\xa9}\n",
          "f:4:38: error: location \"/\xc3\xa9\" holds an octet that a URI may not; "
          "percent-encode it" },
        { ROUTE "    respond: {type: text}\n", "f:4:21: error: type \"text\" is no media type; "
                                               "write TYPE/SUBTYPE, such as text/html" },
        { ROUTE "    files: {root: /x, index: [a/b, \"\", ..]}\n",
          "f:4:31: error: index \"a/b\" holds a slash; write the name of a file in the folder\n"
          "f:4:36: error: index is empty; give it a value or remove it\n"
          "f:4:40: error: index \"..\" is no file name; write the name of a file" },
        { ROUTE "    files: {root: /x, types: {.a: x/y, a.b: x/y, c: x}}\n",
          "f:4:31: error: name \".a\" in types begins with a dot; write it without\n"
          "f:4:40: error: name \"a.b\" in types is no extension; write what follows the last dot "
          "of a file name\n"
          "f:4:53: error: types \"x\" is no media type; write TYPE/SUBTYPE, such as text/html" },
        { ROUTE "    respond:\n    header: {Content-Length: 1, \"a b\": 1, C: \" x\", D: "
                "\"a\\r\\nb\"}\n",
          "f:5:14: error: name \"Content-Length\" in header belongs to framing or the connection, "
          "which rilld sets; remove it\n"
          "f:5:33: error: name \"a b\" in header is no field name; use letters, digits and "
          "hyphens\n"
          "f:5:46: error: header \" x\" begins or ends with white space; remove it\n"
          "f:5:55: error: header \"a??b\" holds a control character; remove it" },
        { ROUTE "    respond:\n    header: {date: x, Content-Range: bytes */1}\n",
          "f:5:14: error: name \"date\" in header differs from answer to answer, and rilld sets "
          "it; "
          "remove it\n"
          "f:5:23: error: name \"Content-Range\" in header differs from answer to answer, and "
          "rilld "
          "sets it; remove it" },
        { GATHER "        _a: {file: /x}\n",
          "f:6:9: error: name \"_a\" in parts is no part name; use up to 64 of A-Z a-z 0-9 _ -, "
          "not beginning with _" },
    };
    CHECK_ROWS(rows);
}

static void gather_bounds_its_parts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { GATHER "        p: {file: /x, timeout: 1001ms}\n",
          "f:6:32: error: timeout \"1001ms\" is above the gather's deadline of 1s; lower it" },
        { GATHER "        p: {file: /x, part_max: 2m}\n",
          "f:6:33: error: part_max \"2m\" is above the gather's body_max of 1m; lower it" },
        { OK "routes:\n  /a:\n    gather:\n      parts:\n"
             "        p: {url: \"http://127.0.0.1:1/{tail}\"}\n",
          "f:6:18: error: {tail} below route \"/a\", which has nothing below it; end the path of "
          "the route in a slash" },
    };
    CHECK_ROWS(rows);
}

static void urls_are_literal_and_strict(void **state)
{
    (void)state;
#define BAD(url, why)                                   \
    {                                                   \
        URL(url), "f:6:18: error: url \"" url "\" " why \
    }
    static const struct row rows[] = {
        BAD("https://127.0.0.1:1/", "asks for TLS, which this release lacks; write http://"),
        BAD("127.0.0.1:1/", "is no URL; write http://ADDRESS:PORT/PATH"),
        BAD("HTTP://127.0.0.1:1/", "is no URL; write http://ADDRESS:PORT/PATH"),
        BAD("http://api/x", "has no literal address; write one, such as http://127.0.0.1:80/"),
        BAD("http://api:80/x", "has no literal address; write one, such as http://127.0.0.1:80/"),
        BAD("http://unix:/x", "has no literal address; write one, such as http://127.0.0.1:80/"),
        BAD("http:///x", "has no literal address; write one, such as http://127.0.0.1:80/"),
        BAD("http://127.0.0.1/x", "has no port; write it, such as http://127.0.0.1:80/"),
        BAD("http://127.0.0.1:0/", "has no valid port; write one from 1 to 65535"),
        BAD("http://a@127.0.0.1:1/", "has user information; remove it"),
        BAD("http://127.0.0.1:1?a", "has no path before its query; write \"/?\""),
        BAD("http://127.0.0.1:1/#a", "has a fragment, which is never sent; remove it"),
        BAD("http://127.0.0.1:1/a b", "holds an octet that a URL may not; percent-encode it"),
        BAD("http://127.0.0.1:1/%4", "holds an octet that a URL may not; percent-encode it"),
        BAD("http://127.0.0.1:1/\xc3\xa9", "holds an octet that a URL may not; percent-encode it"),
        BAD("http://127.0.0.1:1/{id}", "has braces that are neither {tail} nor {query}; write one "
                                       "of them, or %7B and %7D"),
        BAD("http://127.0.0.1:1/a}", "has braces that are neither {tail} nor {query}; write one of "
                                     "them, or %7B and %7D"),
        BAD("http://127.0.0.1:1/{query}", "has {query} in its path; write it behind a question "
                                          "mark"),
        BAD("http://127.0.0.1:1/?a={tail}", "has {tail} in its query; write it before the question "
                                            "mark"),
    };
    CHECK_ROWS(rows);
}

/* Every error of the file in its order, whichever pass found it; of more than 20 the first. */
static void a_report_holds_the_first_twenty_in_file_order(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "user: ${RILL_UNSET}\nlog: &x {level: x}\nlisten: [a, a]\nuser: b\nworkers: 0\n",
          "f:1:7: error: the variable \"RILL_UNSET\" is not set; set it, or write "
          "${RILL_UNSET:-default}\n"
          "f:2:6: error: anchor \"&x\" is not supported; write the value out where it is used\n"
          "f:2:17: error: level \"x\" is unknown; write one of debug, info, warning, error\n"
          "f:3:10: error: address \"a\" is no address; write IPv4:PORT, \"[IPv6]:PORT\", unix:PATH "
          "or systemd:NAME\n"
          "f:3:13: error: address \"a\" is no address; write IPv4:PORT, \"[IPv6]:PORT\", unix:PATH "
          "or systemd:NAME\n"
          "f:4:1: error: name \"user\" twice in the file; first at line 1\n"
          "f:5:10: error: workers \"0\" is out of range; write auto or 1 to 256" },
    };
    CHECK_ROWS(rows);
    char memory_of_text[1024];
    rill_text text = { memory_of_text, sizeof memory_of_text, 0, false };
    rill_text_add(&text, RILL_SPAN("workers: 0\nroutes:\n"));
    for (int i = 0; i < 30; i++)
        rill_text_fmt(&text, "  %d: {}\n", i);
    assert_int_equal(load((rill_span){ text.at, text.used }), -EINVAL);
    assert_int_equal(report.count, CONF_ERRORS_MAX);
    assert_int_equal(report.errors, 62); /* 2 a route, no listen, workers */
    assert_int_equal(report.more, 42);
    assert_string_equal(report.findings[0].text, "f:1:1: error: the file has no listen; add "
                                                 "\"listen: [127.0.0.1:8080]\"");
    for (uint32_t i = 2; i < CONF_ERRORS_MAX; i++)
        assert_int_equal(report.findings[i].place.line, 3 + (i - 2) / 2);
}

static void long_file_name_is_cut_at_its_begin(void **state)
{
    (void)state;
    const struct conf *conf;
    char name[1301], *end = name + sizeof name - 1;
    for (char *at = name; at < end; at += 2)
        memcpy(at, "\xc3\xa4", 2);
    memcpy(end - 7, "/x.yaml", 8);
    assert_int_equal(
        conf_load_text(name, RILL_SPAN("listen: 3\n"), NULL, memory, sizeof memory, &report, &conf),
        -EINVAL);
    const char *text = report.findings[0].text;
    assert_int_equal(strncmp(text, "...\xc3\xa4", 5), 0);
    assert_non_null(strstr(text, "/x.yaml:1:9: error: listen is no list; write "));
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"
    static const struct row rows[] = {
        { OK "user: " SEVENTY "01234\xc3\xa9xxx\n",
          "f:2:7: error: user \"" SEVENTY "01234...\" is no account; write NAME or NAME:GROUP" },
        { OK "user: " SEVENTY "012345\xc3\xa9x\n",
          "f:2:7: error: user \"" SEVENTY "012345\xc3\xa9x\" is no account; write NAME or "
          "NAME:GROUP" },
    };
    CHECK_ROWS(rows);
}

static void repeat(char *to, size_t size, const char *text)
{
    for (size_t i = 0; i < size; i++)
        to[i] = text[i % strlen(text)];
}

/* Each of these takes seconds or more when something is quadratic; the time limit of the test
 * would tell. */
static void hostile_files_are_refused_fast(void **state)
{
    (void)state;
    static const char *const texts[] = { "[",
                                         "{",
                                         "- ",
                                         "? ",
                                         "a: b\n",
                                         "? a\n",
                                         "[{",
                                         "*a ",
                                         "&a ",
                                         "!a ",
                                         "%TAG x y\n",
                                         "\"\\x41",
                                         "'",
                                         "a: {b: [",
                                         "|\n",
                                         "---\n",
                                         "${a}",
                                         "#",
                                         "\n",
                                         "\t",
                                         ": ",
                                         ", ",
                                         "\xef\xbb\xbf",
                                         "#\r%TAG x y\r",
                                         "#\xc2\x85%TAG x y\xc2\x85",
                                         "#\xe2\x80\xa8%TAG x y\xe2\x80\xa8" };
    size_t size = 1 << 20;
    char *text = rill_alloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        repeat(text, size, texts[i]);
        assert_int_equal(load((rill_span){ text, size }), -EINVAL);
    }
    repeat(text, size, "\"${PATH}\",");
    memcpy(text, "listen: [ ", 10);
    memcpy(text + size - 2, "]\n", 2);
    assert_int_equal(load((rill_span){ text, size }), -EINVAL);
    rill_free(text);
}

static void a_file_above_one_mebibyte_is_refused(void **state)
{
    (void)state;
    size_t size = 1 << 20, used = sizeof OK - 1;
    char *text = rill_alloc(size + 1);
    assert_non_null(text);
    memcpy(text, OK, used);
    memset(text + used, '#', size + 1 - used);
    assert_int_equal(load((rill_span){ text, size }), 0);
    assert_int_equal(load((rill_span){ text, size + 1 }), -EINVAL);
    assert_string_equal(report.findings[0].text, "f: error: larger than 1m; split or shorten it");
    rill_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_is_refused_with_place_and_hint),
        cmocka_unit_test(octets_that_are_no_text_are_refused_at_their_place),
        cmocka_unit_test(yaml_with_two_readings_is_refused),
        cmocka_unit_test(names_are_answered_with_the_nearest_or_the_list),
        cmocka_unit_test(a_name_twice_shows_both_places),
        cmocka_unit_test(variables_that_mean_nothing_are_refused),
        cmocka_unit_test(wrong_shapes_say_what_to_write),
        cmocka_unit_test(values_of_the_wrong_type_say_how_to_write_them),
        cmocka_unit_test(listen_refuses_what_is_no_address),
        cmocka_unit_test(routes_refuse_paths_that_no_request_has),
        cmocka_unit_test(a_route_has_exactly_one_kind),
        cmocka_unit_test(kinds_refuse_settings_they_cannot_use),
        cmocka_unit_test(gather_bounds_its_parts),
        cmocka_unit_test(urls_are_literal_and_strict),
        cmocka_unit_test(a_report_holds_the_first_twenty_in_file_order),
        cmocka_unit_test(long_file_name_is_cut_at_its_begin),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(hostile_files_are_refused_fast),
        cmocka_unit_test(a_file_above_one_mebibyte_is_refused),
    };
    return cmocka_run_group_tests_name("conf_errors", tests, NULL, NULL);
}
