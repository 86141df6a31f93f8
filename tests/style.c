/* style.c - the style check: five things a tired reader misses, found in the source tree.
 *
 * `style DIR` walks a source tree and prints `file:line: what, do this instead` for an include that
 * points the wrong way, a missing file head, a banned call, a marker of unfinished work, and a
 * public function without documentation. It exits 1 if there was any. `style --self-check` makes a
 * small bad tree and expects each of these. The tables come first: a new file that needs an
 * exception gets a line there, with its reason. Taste is not checked here. */
#include <ctype.h>
#include <fts.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { FILE_MAX = 2 << 20, ALLOWED_MAX = 16, CALLS_MAX = 24 };

/* Who may include what: files below `from` see these headers (a folder ends in a slash), their own
 * folder and the header of their own name. The longest `from` that fits a file counts. */
#define BASICS "rill/base.h", "rill/mem.h", "rill/text.h"
#define IO \
    "core/base/", "core/coro/", "core/op/", "core/loop/", "core/task/", "core/sync/", "core/io/"

static const struct layer {
    const char *from;
    const char *allowed[ALLOWED_MAX];
    bool strangers; /* the files of this folder do not see each other */
} layers[] = {
    { "include/", { "rill/" }, false },
    { "include/rill/", { BASICS, "rill/time.h", "rill/task.h" }, true },
    { "core/", { "rill/", "core/" }, false },
    { "core/base/", { "rill/" }, false },
    { "core/coro/", { "rill/", "core/base/" }, false },
    { "core/op/", { "rill/", "core/base/" }, false },
    { "core/ring/", { "rill/", "core/base/", "core/op/" }, false },
    { "core/sim/", { "rill/", "core/base/", "core/op/" }, false },
    { "core/loop/", { "rill/", "core/base/", "core/coro/", "core/op/" }, false },
    { "core/task/", { "rill/", "core/base/", "core/coro/", "core/op/", "core/loop/" }, false },
    { "core/sync/",
      { "rill/", "core/base/", "core/coro/", "core/op/", "core/loop/", "core/task/" },
      false },
    { "core/io/", { "rill/", IO }, false },
    { "core/http/", { "rill/", "core/base/" }, false },
    { "core/dns/", { "rill/", IO }, false },
    { "core/tls/", { "rill/", IO }, false },
    { "core/client/", { "rill/", IO, "core/http/", "core/dns/", "core/tls/" }, false },
    { "server/", { "rill/", "rill.h", "server/" }, false },
    { "server/http/", { BASICS }, false },
    { "server/conf/", { BASICS, "rill/net.h", "rill/time.h" }, false },
    { "server/handler/",
      { "rill/", "server/conf/conf.h", "server/conn/request.h", "server/http/", "server/upstream/",
        "server/beneath.h", "server/filecache.h", "server/filereply.h", "server/metrics.h",
        "server/reply.h", "server/handler/handler.h" },
      true },
    { "server/handler/gather", /* one handler in three files */
      { "rill/", "server/beneath.h", "server/conf/conf.h", "server/conn/request.h", "server/http/",
        "server/reply.h", "server/handler/handler.h", "server/handler/gather_json.h",
        "server/handler/gather_part.h", "server/logline.h" },
      true },
    { "server/conn/",
      { "rill/", "server/conf/conf.h", "server/http/", "server/route.h", "server/handler/handler.h",
        "server/log.h", "server/reply.h", "server/shm.h", "server/metrics.h", "server/limit.h" },
      false },
    { "server/upstream/",
      { "rill/", "server/conf/conf.h", "server/http/", "server/route.h", "server/handler/handler.h",
        "server/log.h", "server/metrics.h", "server/limit.h" },
      false },
    { "tests/", { "rill/", "rill.h", "core/", "server/", "tests/support/" }, false },
    { "tests/sim/", { "rill/", "rill.h", "tests/support/" }, false },
    { "tests/flow/", { "rill/", "rill.h", "tests/support/" }, false },
    { "tests/example/", { "rill/", "rill.h" }, false },
    { "bench/", { "rill/", "rill.h" }, false },
    { "bench/micro/bench_switch.c", { "rill/", "core/coro/coro.h" }, false },
};

/* The one home of each foreign library. */
static const struct library {
    const char *header, *homes[4];
} libraries[] = {
    { "mimalloc", { "core/base/mem.c" } },
    { "liburing", { "core/ring/", "bench/floor.c", "bench/micro/ring_echo.c" } },
    { "linux/io_uring", { "core/ring/", "tests/support/" } },
    { "ares", { "core/dns/" } },
    { "openssl/", { "core/tls/", "tests/" } },
    { "sanitizer/", { "core/coro/" } },
    { "valgrind/", { "core/coro/", "core/ring/" } },
    { "yaml", { "server/conf/load" } },
    { "elfutils/", { "server/ctl/stack.c" } },
    { "jansson",
      { "server/handler/gather", "server/control.c", "server/ctl/", "tests/flow/flow_rillctl.c" } },
    { "seccomp", { "server/sandbox.c" } },
    { "nghttp2/", { "server/conn/h2.c" } },
    { "zlib", { "server/http/encode.c", "core/client/decode.c", "tests/" } },
    { "brotli/", { "server/http/encode.c", "core/client/decode.c", "tests/" } },
    { "zstd", { "server/http/encode.c", "core/client/decode.c", "tests/" } },
    { "cmocka", { "tests/" } },
};

enum class { TEXT, HEAP, JUMPS, LOOP };

static const struct ban {
    const char *calls[CALLS_MAX];
    const char *instead;
} bans[] = {
    [TEXT] = { { "strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol",
                 "strtol", "strtoll", "strtoul", "strtoull" },
               "use the builder and the parsers of <rill/text.h>" },
    [HEAP] = { { "malloc", "calloc", "realloc", "free", "strdup", "strndup" },
               "use <rill/mem.h>, which can fail on demand" },
    [JUMPS] = { { "alloca", "setjmp", "longjmp", "signal", "system", "popen" },
                "use a bounded array, a returned error, sigaction or a spawned process" },
    [LOOP] = { { "read", "write", "recv", "send", "accept", "connect", "open", "poll", "sleep",
                 "usleep", "getaddrinfo", "time", "gettimeofday", "clock_gettime", "rand",
                 "getrandom" },
               "go through an op, the loop's clock or its randomness" },
};

/* Who may break a ban all the same: files whose path begins so. */
static const struct exemption {
    const char *path;
    enum class ban;
    const char *reason;
} exemptions[] = {
    { "core/base/mem.c", HEAP, "it is what everybody else uses" },
    { "core/ring/", LOOP, "it is the waist: calls of the kernel are made here" },
    { "core/sim/", LOOP, "descriptors that it did not make are the kernel's, also in there" },
    { "core/coro/coro.c", LOOP, "the overflow report runs in a signal handler" },
    { "core/base/machine.c", LOOP, "where no loop runs, the machine answers" },
    { "core/base/symbols.c", LOOP, "tells where a program is that blocks or dies" },
    { "core/task/capture.c", LOOP, "runs in the watchdog's thread, beside all loops" },
    { "core/loop/wake.c", LOOP, "other threads write the eventfd" },
    { "server/master", LOOP, "the master has no ring: it waits in poll" },
    { "server/notify", LOOP, "part of the master, which has no ring" },
    { "server/listen", LOOP, "the master opens sockets before there are workers" },
    { "server/ctl/", LOOP, "a program of its own, which has no loop" },
    { "server/doctor", LOOP, "reads /proc when there is no ring to read it with" },
    { "tests/", LOOP, "tests look at loops and daemons from outside" },
    { "bench/", LOOP, "measures loops from outside" },
    { "tests/example/", LOOP, NULL }, /* but examples show how it is done */
};

static char text[FILE_MAX]; /* the file being checked, zero-terminated */
static char code[FILE_MAX]; /* the same, with comments and literals blanked */
static size_t findings;
static FILE *out;

static bool starts(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *string, const char *suffix)
{
    size_t size = strlen(string), tail = strlen(suffix);
    return size >= tail && strcmp(string + size - tail, suffix) == 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void __attribute__((format(printf, 3, 4)))
finding(const char *path, const char *at, const char *format, ...)
{
    size_t line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    fprintf(out, "%s:%zu: ", path, line);
    va_list args;
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc('\n', out);
    findings++;
}

/* Copy `text` to `code`, with a blank for each octet of a comment, a string or a character, so that
 * offsets and lines stay the same. */
static void blank_comments_and_literals(size_t size)
{
    enum { CODE, LINE, BLOCK, STRING, LETTER } state = CODE;

    for (size_t i = 0; i < size; i++) {
        char c = text[i], next = text[i + 1];
        code[i] = c == '\n' || state == CODE ? c : ' ';
        if (state == CODE && c == '/' && (next == '/' || next == '*')) {
            state = next == '/' ? LINE : BLOCK;
            code[i] = code[i + 1] = ' ';
            i++;
        } else if (state == CODE && (c == '"' || (c == '\'' && !(i > 0 && is_word(text[i - 1]))))) {
            state = c == '"' ? STRING : LETTER;
        } else if (state == LINE && c == '\n') {
            state = CODE;
        } else if (state == BLOCK && c == '*' && next == '/') {
            state = CODE;
            code[++i] = ' ';
        } else if ((state == STRING || state == LETTER) && c == '\\' && next != '\n') {
            code[++i] = ' ';
        } else if ((state == STRING && c == '"') || (state == LETTER && c == '\'')) {
            state = CODE;
            code[i] = c;
        }
    }
    code[size] = '\0';
}

static const struct layer *layer_of(const char *path)
{
    const struct layer *best = NULL;
    for (size_t i = 0; i < LENGTH(layers); i++)
        if (starts(path, layers[i].from) &&
            (best == NULL || strlen(layers[i].from) > strlen(best->from)))
            best = &layers[i];
    return best;
}

static bool same_stem(const char *path, const char *header)
{
    const char *dot = strrchr(path, '.');
    size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    return strncmp(path, header, stem) == 0 && strcmp(header + stem, ".h") == 0;
}

static bool may_include(const char *path, const struct layer *layer, const char *header)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (same_stem(path, header))
        return true;
    if (!layer->strangers && folder > 0 && strncmp(path, header, folder) == 0)
        return true;
    for (size_t i = 0; i < ALLOWED_MAX && layer->allowed[i] != NULL; i++) {
        const char *allowed = layer->allowed[i];
        if (ends(allowed, "/") ? starts(header, allowed) : strcmp(header, allowed) == 0)
            return true;
    }
    return false;
}

static void check_library(const char *path, const char *at, const char *header)
{
    for (size_t i = 0; i < LENGTH(libraries); i++) {
        const struct library *library = &libraries[i];
        if (!starts(header, library->header))
            continue;
        for (size_t k = 0; k < LENGTH(library->homes) && library->homes[k] != NULL; k++)
            if (starts(path, library->homes[k]))
                return;
        finding(path, at, "includes <%s>, whose home is %s; use what that offers", header,
                library->homes[0]);
    }
}

static void check_include(const char *path, const struct layer *layer, const char *at)
{
    char open = 0, header[256];
    if (sscanf(text + (at - code), " # include %c%255[^\">\n]", &open, header) != 2 ||
        (open != '"' && open != '<'))
        return;
    at = text + (at - code);
    if (open == '<' && !starts(header, "rill/") && strcmp(header, "rill.h") != 0)
        check_library(path, at, header);
    else if (open == '"' && strchr(header, '/') == NULL)
        finding(path, at, "includes \"%s\", write the path from the root of the tree", header);
    else if (!may_include(path, layer, header))
        finding(path, at,
                "includes %s, which lies outside the layers it may see; move the code "
                "to its layer, or see the table in CONTRIBUTING.md",
                header);
}

static void check_includes(const char *path)
{
    const struct layer *layer = layer_of(path);
    if (layer == NULL)
        return;
    for (const char *line = code; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *p = line + strspn(line, " \t");
        if (*p == '#' && starts(p + 1 + strspn(p + 1, " \t"), "include"))
            check_include(path, layer, line);
    }
}

static void check_head(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    char head[256];
    snprintf(head, sizeof head, "/* %s - ", name);
    if (!starts(text, head))
        finding(path, text, "no file head, begin the file with \"%swhat it owns\"", head);
}

/* The last line of the table that fits decides, so that a narrower one can take a wide one back. */
static bool exempt(const char *path, size_t ban)
{
    bool is_exempt = false;
    for (size_t i = 0; i < LENGTH(exemptions); i++)
        if ((size_t)exemptions[i].ban == ban && starts(path, exemptions[i].path))
            is_exempt = exemptions[i].reason != NULL;
    return is_exempt;
}

static void check_call(const char *path, const char *at, size_t size)
{
    for (size_t ban = 0; ban < LENGTH(bans); ban++)
        for (size_t i = 0; i < CALLS_MAX && bans[ban].calls[i] != NULL; i++)
            if (strlen(bans[ban].calls[i]) == size && memcmp(bans[ban].calls[i], at, size) == 0 &&
                !exempt(path, ban))
                finding(path, text + (at - code), "calls %s, %s", bans[ban].calls[i],
                        bans[ban].instead);
}

static bool is_member(const char *at)
{
    while (at > code && isspace((unsigned char)at[-1]))
        at--;
    return at > code && (at[-1] == '.' || (at[-1] == '>' && at - 1 > code && at[-2] == '-'));
}

static void check_calls(const char *path)
{
    for (const char *p = code; *p != '\0'; p++) {
        if (!is_word(*p))
            continue;
        const char *word = p;
        while (is_word(*p))
            p++;
        if (p[strspn(p, " \t\n")] == '(' && !is_member(word))
            check_call(path, word, (size_t)(p - word));
        p--;
    }
}

static void check_markers(const char *path)
{
    static const char *const markers[] = { "TO"
                                           "DO",
                                           "FIX"
                                           "ME",
                                           "XX"
                                           "X" };
    for (size_t i = 0; i < LENGTH(markers); i++) {
        size_t size = strlen(markers[i]);
        for (const char *at = text; (at = strstr(at, markers[i])) != NULL; at += size)
            if ((at == text || !is_word(at[-1])) && !is_word(at[size]))
                finding(path, at, "a %s is left, do it or open an issue", markers[i]);
    }
}

/* A public function is a line of a public header that begins with the export mark or is inline.
 * Its doc is the comment that ends on the line before. */
static void check_doc(const char *path, const char *at)
{
    const char *close = at, *open;
    while (close > text && isspace((unsigned char)close[-1]))
        close--;
    if (close - text < 2 || close[-1] != '/' || close[-2] != '*') {
        finding(path, at, "a public function without doc, say what the caller gets");
        return;
    }
    for (open = close - 2; open > text && !starts(open, "/*"); open--)
        ;
    const char *word = strstr(open, "Returns");
    if (!starts(open, "/**") || word == NULL || word > close)
        finding(path, at, "a public function whose doc does not say \"Returns\", list each error");
}

static void check_docs(const char *path)
{
    for (const char *line = code; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (starts(line, "RILL_API ") || starts(line, "static inline "))
            check_doc(path, text + (line - code));
    }
}

/* Requests and fuzz inputs are data: any word may stand there. */
static bool is_data(const char *path)
{
    return starts(path, "tests/wire/") || starts(path, "tests/fuzz/corpus/");
}

static void check_file(const char *path, size_t size)
{
    bool assembler = ends(path, ".S"), source = ends(path, ".c") || ends(path, ".h") || assembler;
    if (!is_data(path) && memchr(text, '\0', size) == NULL)
        check_markers(path);
    if (!source)
        return;
    check_head(path);
    blank_comments_and_literals(size);
    check_includes(path);
    if (!assembler)
        check_calls(path);
    if (starts(path, "include/"))
        check_docs(path);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int load_and_check(const char *file, const char *path)
{
    FILE *in = fopen(file, "rb");
    if (in == NULL) {
        perror(file);
        return -1;
    }
    size_t size = fread(text, 1, sizeof text - 2, in);
    fclose(in);
    text[size] = text[size + 1] = '\0';
    check_file(path, size);
    return 0;
}

/* Hidden folders and build trees are not ours to judge. */
static int check_tree(char *root)
{
    char *roots[] = { root, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (tree == NULL)
        return -1;
    int failed = 0;
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        bool skipped = entry->fts_name[0] == '.' || strcmp(entry->fts_name, "build") == 0;
        if (entry->fts_info == FTS_D && entry->fts_level > 0 && skipped)
            fts_set(tree, entry, FTS_SKIP);
        else if (entry->fts_info == FTS_F && entry->fts_name[0] != '.')
            failed |= load_and_check(entry->fts_path, entry->fts_path + strlen(root) + 1);
    }
    fts_close(tree);
    return failed;
}

/* The bad tree of the self-check. Comments and strings name banned calls and must not trigger. */
static const struct sample {
    const char *path, *content, *expected[3];
} samples[] = {
    { "core/op/good.c",
      "/* good.c - strcpy() in a comment. */\n#include \"core/base/x.h\"\n#include <rill/mem.h>\n"
      "static const char *s = \"malloc(1) \\\" free(p)\"; // read(0)\n"
      "void good(struct x *x) { x->read(x); x.poll(1); my_free(x); char c = '\"'; c = 'a'; }\n",
      { NULL } },
    { "core/base/head.c",
      "\n/* head.c - comes too late. */\n",
      { "core/base/head.c:1: no file head" } },
    { "core/op/up.c",
      "/* up.c - looks up. */\n#include \"core/task/task.h\"\n#include \"near.h\"\n",
      { "core/op/up.c:2: includes core/task/task.h", "core/op/up.c:3: includes \"near.h\"" } },
    { "server/route.c",
      "/* route.c - knows a library. */\n#include <liburing.h>\n#include \"core/op/op.h\"\n",
      { "server/route.c:2: includes <liburing.h>", "server/route.c:3: includes core/op/op.h" } },
    { "server/handler/a.c",
      "/* a.c - sees its neighbour. */\n#include \"server/handler/b.h\"\n",
      { "server/handler/a.c:2: includes server/handler/b.h" } },
    { "core/task/call.c",
      "/* call.c - calls. */\nvoid f(void)\n{\n    free (0); '\"'; read(0);\n}\n",
      { "core/task/call.c:4: calls free", "core/task/call.c:4: calls read" } },
    { "tests/core/t.c",
      "/* t.c - a test may read. */\nvoid f(void) { read(0); alloca(1); }\n",
      { "tests/core/t.c:2: calls alloca" } },
    { "README.md",
      "a\nTO"
      "DO: b XX"
      "XX\n",
      { "README.md:2: a TO"
        "DO is left" } },
    { "include/rill/x.h",
      "/* x.h - public. */\n#pragma once\n#include <rill/base.h>\nRILL_API int a(void);\n"
      "/** B. Returns: 0. */\nRILL_API int b(void);\n/** C. */\nRILL_API int c(void);\n",
      { "include/rill/x.h:4: a public function without doc",
        "include/rill/x.h:8: a public function whose doc" } },
};

static void make_sample(const char *root, const struct sample *sample)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, sample->path);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fputs(sample->content, file);
        fclose(file);
    }
}

static void remove_tree(char *root)
{
    char *roots[] = { root, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info != FTS_D)
            remove(entry->fts_accpath);
    if (tree != NULL)
        fts_close(tree);
}

static int self_check(void)
{
    static char report[1 << 16];
    char root[] = "/tmp/rill-style-XXXXXX";
    out = fmemopen(report, sizeof report, "w");
    if (out == NULL || mkdtemp(root) == NULL)
        return 1;
    for (size_t i = 0; i < LENGTH(samples); i++)
        make_sample(root, &samples[i]);
    int failed = check_tree(root) != 0;
    fclose(out);
    remove_tree(root);
    size_t expected = 0;
    for (size_t i = 0; i < LENGTH(samples); i++)
        for (size_t k = 0; k < 3 && samples[i].expected[k] != NULL; k++, expected++)
            if (strstr(report, samples[i].expected[k]) == NULL) {
                printf("not found: %s\n", samples[i].expected[k]);
                failed = 1;
            }
    if (expected != findings)
        failed = 1;
    if (failed)
        printf("expected %zu findings, got %zu:\n%s", expected, findings, report);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: style DIR | style --self-check\n");
        return 2;
    }
    if (strcmp(argv[1], "--self-check") == 0)
        return self_check();
    out = stdout;
    if (check_tree(argv[1]) != 0)
        return 1;
    if (findings > 0)
        printf("%zu findings\n", findings);
    return findings > 0;
}
