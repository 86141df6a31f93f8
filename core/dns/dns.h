/* dns.h - the resolver of a loop: what it knows, and whom it asks. */
#pragma once

#include "core/dns/question.h"
#include "core/task/task.h"

/* One name: being asked for, or known for a while. */
struct rill__dns_name {
    struct list bucket; /* linked: others find it */
    struct list place;  /* known: by last use; else: among those that cannot be asked for yet */
    struct list waiters;
    struct rill__dns *dns;
    struct rill__question *question; /* NULL: it is known, or has to wait for its turn */
    unsigned holders;
    bool known;
    rill_time since, until; /* it is known */
    int kind, rc;
    bool absolute;
    rill_addr *addrs; /* owned */
    size_t count;
    char host[RILL__DNS_NAME]; /* of a reverse one */
    char why[160];
    char name[];
};

enum { RILL__DNS_BUCKETS = 256 };

/* Limits of one loop; the tests have their own. */
extern unsigned rill__dns_known_most, rill__dns_asking_most;

struct rill__dns {
    struct rill_loop *loop;
    struct rill__dns_conf conf;
    struct list buckets[RILL__DNS_BUCKETS];
    struct list known; /* used longest ago first */
    struct list queue; /* names that wait for their turn */
    unsigned known_count, asking;
};

/* The resolver of the running loop. 0; -ENOMEM. */
int rill__dns_of_loop(struct rill_loop *loop, struct rill__dns **ret_dns);
/* What is known of `name`, asked for if need be. 0 and a name that rill__dns_release gives back; the name's own `rc`
 * says the rest; -ECANCELED; -ENOMEM. */
int rill__dns_look_up(struct rill__task *task, struct rill__dns *dns, const char *name, int kind,
                      bool absolute, struct rill__dns_name **ret_name);
void rill__dns_release(struct rill__dns_name *name);
/* What the running loop has known of `host` for `age` or longer is not known any more. */
void rill__dns_forget_older(const char *host, rill_time age);
/* The loop ends: nobody waits any more. */
void rill__dns_end(struct rill_loop *loop);

/* The addresses of `host`, all with `port`. As rill_getaddrinfo. */
struct rill__dns_list {
    rill_addr at[RILL__DNS_ADDRESSES];
    size_t count;
};

int rill__dns_addresses(const char *host, unsigned port, const rill_dns_hints *hints,
                        struct rill__dns_list **ret_list) RILL_SUSPENDS;
