/* pair.h - two ends of a connection for tests of streams.
 *
 * `left` is a stream. Its other end is a second stream, `right`, or a plain descriptor, `far`, whose
 * socket the test reads and fills itself, so that "the peer does not read" is a fact and no matter of
 * time. What is sent is the pattern, so that each octet out of its place is seen. */
#pragma once

#include "tests/support/expect.h"

enum { mib = 1 << 20 };

extern rill_stream *left, *right; /* of the running scenario */
extern int far;                   /* the plain other end of `left` */
extern char pattern[2 * mib], arrived[2 * mib];
extern size_t arrived_size;

/* Streams and the descriptor are given back when the scenario is left. */
#define OWNED_PAIR                                          \
    __attribute__((cleanup(drop_pair))) int pair_mark_ = 0; \
    (void)pair_mark_

void drop_pair(int *mark);
void fill_pattern(void);

/* A stream over `fd`, which is closed if that fails. */
int new_stream(int fd, rill_stream **ret_stream);
/* `left` connected to `right`. */
int make_pair(void);
/* `left` connected to `far`: with small socket buffers; with a read limit; over loopback, where a reset is
 * a reset. */
int make_far(void);
int make_limited(size_t limit);
int make_tcp(void);

/* Take what is in the far socket now; how much it was. */
size_t take_far(void);
/* Take from the far socket until `size` octets have arrived in all, turns in between; -ENODATA if nothing
 * moves any more. */
int take_far_until(size_t size);
bool arrived_in_order(void);
/* 0 once the other side sees the end of the connection; what comes before is taken. */
int far_ends(void);
/* A file of `size` octets of the pattern in `file_fd`, given back when the scenario is left. */
extern int file_fd;

#define OWNED_FILE                                          \
    __attribute__((cleanup(drop_file))) int file_mark_ = 0; \
    (void)file_mark_

void drop_file(int *mark);
int make_file(size_t size);
/* Put more of the pattern than the socket takes into the buffer of `left`. */
int overfill(size_t *ret_size);
/* Run `body` in a group and leave it: 0 or the first error. */
int in_group(int (*body)(rill_group *group)) RILL_SUSPENDS;

/* Coroutines that write to `left`. */
extern size_t taken_by_writer;
int write_one_mib(void *arg);
int drain_left(void *arg);

struct numbered {
    char letter;
    size_t size;
};

/* As many of a letter as the `struct numbered` that `arg` points to says. */
int write_letters(void *arg);
