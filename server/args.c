/* args.c - the command line of rilld: its options, and what it may not say. */
#include "server/args.h"

#include "server/conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char args_help[] =
    "rilld --config FILE [--check] [--daemon] [--pid-file FILE] [--workers N]\n"
    "rilld --root DIR [--listen ADDRESS]... [--daemon] [--pid-file FILE] [--workers N]\n"
    "rilld --version | --help\n"
    "\n"
    "  --config FILE     serve what a file says, such as deploy/rilld.yaml\n"
    "  --check           read and check it only\n"
    "  --root DIR        serve the files of a directory, without a configuration\n"
    "  --listen ADDRESS  IPv4:PORT, [IPv6]:PORT or unix:PATH; 127.0.0.1:8080 if left out\n"
    "  --workers N       processes; one per processor if left out\n"
    "  --daemon          go to the background once every worker is ready\n"
    "  --pid-file FILE   write the process id there when ready\n"
    "  --version, -V     print versions, and whether io_uring works\n"
    "  --help, -h        print this\n";

static int usage(const char *format, ...) RILL_PRINTF(1, 2);

static int usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("rilld: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see rilld --help\n", stderr);
    return ARGS_EXIT_USAGE;
}

/* An option without a value.   Returns: where it is noted; NULL: it is none. */
static bool *find_flag(struct arguments *arguments, rill_span name)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = { { "--check", &arguments->check },     { "--daemon", &arguments->daemon },
                  { "--help", &arguments->help },       { "-h", &arguments->help },
                  { "--version", &arguments->version }, { "-V", &arguments->version } };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (rill_span_equal(name, rill_span_of(flags[i].name)))
            return flags[i].flag;
    return NULL;
}

/* An option with a value, which is NULL if it was left out.   Returns: 0; ARGS_EXIT_USAGE. */
static int take_value(struct arguments *arguments, const char *name, const char *value)
{
    const char **to = strcmp(name, "--config") == 0     ? &arguments->config
                      : strcmp(name, "--root") == 0     ? &arguments->root
                      : strcmp(name, "--pid-file") == 0 ? &arguments->pid_file
                                                        : NULL;
    bool workers = strcmp(name, "--workers") == 0, listen = strcmp(name, "--listen") == 0;
    if (to == NULL && !workers && !listen)
        return usage("unknown option \"%s\"", name);
    if (value == NULL || *value == '\0')
        return usage("%s needs a value", name);
    if (workers) {
        if (arguments->workers != 0)
            return usage("%s is given twice", name);
        if (rill_parse_u64(rill_span_of(value), CONF_WORKERS_MAX, &arguments->workers) < 0 ||
            arguments->workers == 0)
            return usage("--workers is 1 to %d, not \"%s\"", CONF_WORKERS_MAX, value);
    } else if (listen) {
        if (arguments->listen_count == ARGS_LISTEN_MAX)
            return usage("--listen can be given %d times", ARGS_LISTEN_MAX);
        arguments->listen[arguments->listen_count++] = value;
    } else if (*to != NULL) {
        return usage("%s is given twice", name);
    } else {
        *to = value;
    }
    return 0;
}

/* Values may follow as a word of their own or behind an equals sign. */
static int take_words(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        char name[32];
        const char *equals = strchr(argv[i], '=');
        size_t size = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        bool *flag = find_flag(arguments, (rill_span){ argv[i], size });
        if (flag != NULL && equals != NULL)
            return usage("%.*s takes no value", (int)size, argv[i]);
        if (flag != NULL) {
            *flag = true;
            continue;
        }
        if (size >= sizeof name)
            return usage("unknown option \"%s\"", argv[i]);
        memcpy(name, argv[i], size);
        name[size] = '\0';
        const char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        int status = take_value(arguments, name, value);
        if (status != 0)
            return status;
    }
    return 0;
}

static int check(const struct arguments *arguments)
{
    if (arguments->help || arguments->version)
        return 0;
    if (arguments->config == NULL && arguments->root == NULL)
        return usage("--config or --root is needed");
    if (arguments->config != NULL && (arguments->root != NULL || arguments->listen_count > 0))
        return usage("--config goes with neither --root nor --listen");
    return 0;
}

int args_parse(int argc, char **argv, struct arguments *ret_arguments)
{
    struct arguments arguments = { 0 };
    int status = take_words(argc, argv, &arguments);
    if (status == 0)
        status = check(&arguments);
    if (status == 0)
        *ret_arguments = arguments;
    return status;
}

/* Returns: the path as an absolute one, NULL for NULL; NULL if it does not fit. */
static const char *absolute(const char *path, char *memory)
{
    if (path == NULL || path[0] == '/')
        return path;
    if (getcwd(memory, PATH_MAX) == NULL)
        return NULL;
    size_t used = strlen(memory), size = strlen(path);
    if (used + size + 2 > PATH_MAX)
        return NULL;
    memory[used] = '/';
    memcpy(memory + used + 1, path, size + 1);
    return memory;
}

int args_make_absolute(struct arguments *arguments)
{
    static char memory[3][PATH_MAX];
    const char **paths[3] = { &arguments->config, &arguments->root, &arguments->pid_file };
    for (int i = 0; i < 3; i++) {
        const char *path = absolute(*paths[i], memory[i]);
        if (*paths[i] != NULL && path == NULL)
            return -ENAMETOOLONG;
        *paths[i] = path;
    }
    return 0;
}
