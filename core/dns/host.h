/* host.h - hosts of which nobody is asked, and what a name may look like. */
#pragma once

#include <rill/net.h>

/* The addresses of a host, without asking: a numeric one, "localhost", none at all. 1: they are there; 0: it is a
 * name; -EINVAL: none. `family` 0: both. */
int rill__host_is_known(const char *host, int family, bool passive, rill_addr ret_addrs[2],
                        size_t *ret_count);
/* The numeric address in `text` of `family`, or (0) of any. */
bool rill__host_number(rill_span text, int family, rill_addr *ret_addr);
/* A copy of `host` in small letters and without the dot at its end. 0; -EINVAL: it is no name of a host. */
int rill__host_name(const char *host, char *ret_name, size_t size);
void rill__addr_set_port(rill_addr *addr, unsigned port);
