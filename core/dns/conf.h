/* conf.h - what the resolver of a loop was told: by its options, /etc/resolv.conf and /etc/hosts. */
#pragma once

#include <rill/dns.h>
#include <rill/net.h>

#include <sys/stat.h>

enum {
    RILL__DNS_SERVERS = 8,
    RILL__DNS_DOMAINS = 6,
    RILL__DNS_NAME = 254,     /* octets of a name with its zero */
    RILL__DNS_ADDRESSES = 32, /* of one name */
};

/* A file that is read again when it has changed. */
struct rill__dns_file {
    char *path; /* owned; NULL: the usual one */
    bool known;
    struct stat status; /* all zero: there was none */
    char *text;         /* owned, with a zero octet behind; or NULL */
    size_t size;
};

struct rill__dns_conf {
    struct rill__dns_file hosts, resolv;
    rill_time looked;                   /* at the files, on the loop's clock */
    rill_addr fixed[RILL__DNS_SERVERS]; /* by the options */
    unsigned fixed_count;
    rill_time fixed_timeout;
    unsigned fixed_attempts;
    /* What is in force; the domains lie in resolv.text. */
    rill_addr servers[RILL__DNS_SERVERS];
    unsigned count;
    char *domains[RILL__DNS_DOMAINS];
    unsigned domain_count;
    unsigned ndots, attempts;
    rill_time timeout;
};

/* 0; -EINVAL; -ENOMEM. */
int rill__dns_conf_init(struct rill__dns_conf *conf, const rill_dns_opts *opts);
void rill__dns_conf_fini(struct rill__dns_conf *conf);
/* Read what has changed, if a second has passed since the last look. 1: something has; 0; -ENOMEM. */
int rill__dns_conf_look(struct rill__dns_conf *conf, rill_time now);
/* Addresses of `name` in the hosts file, at most RILL__DNS_ADDRESSES: how many. `*ret_known` is true if the name is
 * there, if with addresses of the other family only. */
size_t rill__dns_hosts_find(const struct rill__dns_conf *conf, const char *name, int family,
                            rill_addr *ret_addrs, bool *ret_known);
/* The first name of `addr` in the hosts file. False: it has none. */
bool rill__dns_hosts_name(const struct rill__dns_conf *conf, const rill_addr *addr,
                          char ret_name[RILL__DNS_NAME]);
