/* main.c - what the command line asks for: check, or run in the foreground or background.
 *
 * The order matters: sockets of the service manager are taken over before any fork changes the process
 * id that they were meant for. */
#include "server/args.h"
#include "server/daemon.h"
#include "server/inherit.h"
#include "server/master.h"
#include "server/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int print_version(void)
{
    char memory[1024];
    rill_text text = { memory, sizeof memory, 0, false };
    version_text(&text);
    fputs(rill_text_end(&text), stdout);
    return EXIT_SUCCESS;
}

static int fail(const char *what, int code)
{
    fprintf(stderr, "rilld: %s: %s\n", what, rill_strerror(code));
    return EXIT_FAILURE;
}

/* --check: read it, look at what it refers to, say so. Opens nothing for writing. */
static int check(const struct arguments *arguments, const struct conf_overrides *overrides)
{
    static struct conf_report report;
    const struct conf *conf;
    void *memory = mmap(NULL, CONF_MEMORY_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return fail("cannot read the configuration", -errno);
    int rc = arguments->config != NULL
                 ? conf_load(arguments->config, overrides, memory, CONF_MEMORY_SIZE, &report, &conf)
                 : conf_from_root(arguments->root, arguments->listen, arguments->listen_count,
                                  overrides, memory, CONF_MEMORY_SIZE, &report, &conf);
    if (rc == 0)
        rc = conf_check_files(conf, &report);
    for (size_t i = 0; i < report.count; i++)
        fprintf(stderr, "%s\n", report.findings[i].text);
    if (report.more > 0)
        fprintf(stderr, "%zu more were found\n", report.more);
    if (rc == 0)
        printf("%s: ok\n", arguments->config != NULL ? arguments->config : arguments->root);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A socket or a log must never get the number of a standard descriptor that was closed. */
static int open_standard(void)
{
    int fd;
    do
        fd = openat(AT_FDCWD, "/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int run(const struct arguments *arguments, const struct conf_overrides *overrides)
{
    static struct master_options options;
    options = (struct master_options){ .source = { .path = arguments->config,
                                                   .root = arguments->root,
                                                   .listen = arguments->listen,
                                                   .listen_count = arguments->listen_count,
                                                   .overrides = *overrides },
                                       .ready = daemon_ready };
    int rc = inherit_sockets(&options.sockets);
    if (rc < 0)
        return fail("cannot use LISTEN_FDS", rc);
    rc = arguments->daemon ? daemon_start() : 0;
    if (rc < 0)
        return fail("cannot go to the background", rc);
    rc = notify_init(&options.notify);
    if (rc < 0)
        fprintf(stderr, "rilld: the service manager cannot be told: %s\n", rill_strerror(rc));
    return master_run(&options);
}

int main(int argc, char **argv)
{
    static struct arguments arguments;
    int rc = open_standard();
    if (rc < 0)
        return fail("cannot open /dev/null", rc);
    int status = args_parse(argc, argv, &arguments);
    if (status != 0)
        return status;
    if (arguments.daemon && (rc = args_make_absolute(&arguments)) < 0)
        return fail("cannot use a relative path", rc);
    const struct conf_overrides overrides = { .workers = (unsigned)arguments.workers,
                                              .pid_file = arguments.pid_file };
    if (arguments.help) {
        fputs(args_help, stdout);
        return EXIT_SUCCESS;
    }
    if (arguments.version)
        return print_version();
    return arguments.check ? check(&arguments, &overrides) : run(&arguments, &overrides);
}
