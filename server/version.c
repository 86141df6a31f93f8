/* version.c - what there is, and whether it can work here. */
#include "server/version.h"

#include "server/conf/conf.h"
#include "server/handler/gather_json.h"

#include <rill/loop.h>

#include <gnu/libc-version.h>
#include <sys/utsname.h>

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

void version_text(rill_text *text)
{
    struct utsname kernel;
    rill_text_fmt(text, "rilld %s\n", RILL_VERSION_STRING);
    rill_text_fmt(text, "%slibyaml %s\njansson %s\nglibc %s\n", rill_library_versions(),
                  conf_yaml_version(), gather_json_version(), gnu_get_libc_version());
    if (uname(&kernel) == 0)
        rill_text_fmt(text, "kernel %s %s\n", kernel.release, kernel.machine);
    int rc = rill_run(RILL_CORO(do_nothing, NULL));
    const char *problem = rill_ring_problem(), *features = rill_ring_features();
    if (rc == 0)
        rill_text_fmt(text, "io_uring works: %s\n", features != NULL ? features : "simulated");
    else
        rill_text_fmt(text, "io_uring does not work: %s\n", problem != NULL ? problem : rill_strerror(rc));
}
