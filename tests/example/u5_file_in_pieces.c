/* u5_file_in_pieces.c - a file is read in pieces of 64 KiB while another task ticks on. */
#include <rill.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { piece = 64 << 10, pieces = 16 };

static char path[] = "u5_file_in_pieces.tmp", buf[piece];

static int tick(void *arg)
{
    int rc = 0;
    while (rc == 0) {
        ++*(int *)arg;
        rc = rill_sleep(0);
    }
    return rc;
}

static int fill(int fd)
{
    int rc = 0;
    for (int i = 0; i < pieces && rc >= 0; i++) {
        memset(buf, 'a' + i, piece);
        rc = rill_file_write_all(fd, buf, piece, (uint64_t)i * piece, NULL);
    }
    return rc;
}

static int read_pieces(int fd)
{
    int ticks = 0, got = fill(fd);
    rill_task *ticker = rill_create_task(RILL_CORO(tick, &ticks));
    for (uint64_t at = 0; got >= 0 && (got = rill_file_read(fd, buf, piece, at)) > 0;
         at += (uint64_t)got)
        printf("%d octets of '%c'\n", got, buf[0]);
    puts(ticks > 1 ? "the other task ticked on" : "the other task stood still");
    rill_cancel(ticker, "the file is read");
    int rc = rill_join(ticker);
    return got < 0 ? got : rc == -ECANCELED ? 0 : rc;
}

static int start(void *arg)
{
    (void)arg;
    int fd = rill_file_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return fd;
    int rc = rill_file_unlink(path);
    rc = rc < 0 ? rc : read_pieces(fd);
    return rill_first_error(rc, rill_file_close(fd));
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
