/* stuck.c - for runs in which things go wrong: a watch over a loop that is stuck, and silence. See stuck.h. */
#include "tests/support/stuck.h"

#include "core/loop/loop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *watched;

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void on_alarm(int signo)
{
    (void)signo;
    say(watched);
    say(": the loop is stuck\n");
    _exit(1);
}

void stuck_watch(const char *what, unsigned seconds)
{
    struct sigaction action = { .sa_handler = on_alarm };
    watched = what;
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

bool gets_on(struct progress *progress)
{
    enum { own_steps = 1, most = 12 };

    uint64_t before = progress->steps;
    progress->steps = rill_get_running_loop()->steps;
    return progress->steps - before > own_steps && ++progress->times < most;
}

void swallow_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}
