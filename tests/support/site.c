/* site.c - what the server's tests serve: a folder of files, and an upstream that answers when told. */
#include "tests/support/site.h"

#include <rill/task.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct site site;

int site_listen(unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void site_make(void)
{
    snprintf(site.folder, sizeof site.folder, "/tmp/rill-site-XXXXXX");
    assert_non_null(mkdtemp(site.folder));
    site.upstream = site_listen(&site.port);
}

static void path_of(const char *name, char ret_path[static 320])
{
    snprintf(ret_path, 320, "%s/%s", site.folder, name);
}

void site_put(const char *name, const char *content, off_t size)
{
    char path[320];
    path_of(name, path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(write(fd, content, strlen(content)) >= 0);
    if (size > 0)
        assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

void site_drop(const char *name)
{
    char path[320];
    path_of(name, path);
    unlink(path);
}

int site_remove(void)
{
    struct dirent *entry;
    DIR *dir = opendir(site.folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        site_drop(entry->d_name); /* the folder itself and its parent are no files */
    if (dir != NULL)
        closedir(dir);
    close(site.upstream);
    return rmdir(site.folder);
}

int site_accept(void)
{
    for (int i = 0; i < 1000; i++) {
        int fd = accept4(site.upstream, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        int r = fd >= 0 ? 0 : rill_sleep(RILL_MS(1));
        if (fd >= 0 || r < 0)
            return fd >= 0 ? fd : r;
    }
    return -ETIME;
}
