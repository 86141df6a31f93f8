/* names.h - a name server for tests: what it does with a question is said by the first label of the name.
 *
 *   one       A 127.0.0.1 and AAAA ::1, for 10 s        four     A 127.0.0.1 only
 *   six       AAAA ::1 only                             alias    an alias of one.test, for 5 s
 *   many      60 A, in more than 512 octets             short    as one, but for 0 s
 *   none      no such name, for 30 s                    soon     no such name, and nobody says for how long
 *   silent    no answer                                 half     A is answered, AAAA is not
 *   slow      as four, after 200 ms                     cut      cut short; whole over a connection
 *   cutcut    cut short; the connection ends            cuthalf  cut short; half of it, then the end
 *   fail      SERVFAIL                                  refuse   REFUSED
 *   lame      SERVFAIL for A, no such address for AAAA
 *   id        a wrong number                            query    another question
 *   other     addresses of another name                 loop     an alias of itself
 *   garbage   drawn octets behind a good head           stub     a head that promises more
 *   empty     no octet at all                           double   the answer of four, twice
 *   blackhole A 192.0.2.1 and 127.0.0.1                 holes    A 192.0.2.1 and AAAA ::1
 *
 * What is behind the first label does not matter. Names below .arpa are called "host.test", but those of
 * 192.0.2.0/24 have no name. All else does not exist. */
#pragma once

#include <rill.h>

struct names {
    rill_udp *udp;
    rill_server *connections;
    char at[32];        /* where it is, for rill_dns_opts.servers */
    unsigned asked;     /* datagrams */
    unsigned connected; /* connections */
    char last[256];     /* the name that was asked for last */
};

/* One name server at the loopback; `names_other` is a second one. */
extern struct names names, names_other;

/* Start it, as tasks of the running loop.   Returns: 0; -errno. */
int names_start(struct names *server);
/* End it, without waiting. */
void names_end(struct names *server);

#define OWNED_NAMES                                           \
    __attribute__((cleanup(names_drop))) int names_mark_ = 0; \
    (void)names_mark_

void names_drop(int *mark);
