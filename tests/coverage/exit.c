/* exit.c - in builds that count lines: a child that leaves by _exit adds its counts to those of its test.
 *
 * A child that gave its rights up may do that, too: the files of counts are there before, and everybody may
 * write them. Linked with --wrap=_exit. */
#include <sys/stat.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

__attribute__((constructor)) static void make_files(void)
{
    mode_t mask = umask(0);
    __gcov_dump();
    __gcov_reset(); /* else what was dumped could not be dumped again */
    umask(mask);
}

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
