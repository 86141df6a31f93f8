/* dns.c - looking names up, for <rill/dns.h>: what needs no asking, the hosts file, then the servers. */
#include "core/dns/dns.h"

#include "core/dns/host.h"

#include <rill/mem.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* --- Addresses. --- */

static struct rill__dns_list *list_of(const rill_addr *addrs, size_t count, unsigned port)
{
    struct rill__dns_list *list = rill_alloc(sizeof *list);
    if (list == NULL)
        return NULL;
    list->count = count;
    for (size_t i = 0; i < count; i++) {
        list->at[i] = addrs[i];
        rill__addr_set_port(&list->at[i], port);
    }
    return list;
}

static int ask_servers(struct rill__task *task, struct rill__dns *dns, const char *host,
                       const char *text, int family, unsigned port,
                       struct rill__dns_list **ret_list)
{
    struct rill__dns_name *name;
    size_t size = strlen(host);
    bool absolute = host[size - 1] == '.';
    int r = rill__dns_look_up(task, dns, text, family, absolute, &name);
    if (r < 0)
        return r;
    r = name->rc;
    struct rill__dns_list *list = r == 0 ? list_of(name->addrs, name->count, port) : NULL;
    if (r < 0)
        (void)rill_fail(r, "%s: %s", text, name->why);
    else if (list == NULL)
        r = -ENOMEM;
    else
        *ret_list = list;
    rill__dns_release(name);
    return r;
}

static int look_up(struct rill__task *task, const char *host, unsigned port, int family,
                   struct rill__dns_list **ret_list)
{
    char text[RILL__DNS_NAME];
    struct rill__dns *dns;
    bool known;
    if (rill__host_name(host, text, sizeof text) < 0)
        return rill_fail(-EINVAL, "%.64s: no name of a host", host);
    int r = rill__dns_of_loop(rill__loop_running, &dns);
    struct rill__dns_list *list = r == 0 ? rill_alloc(sizeof *list) : NULL;
    if (list == NULL)
        return -ENOMEM;
    list->count = rill__dns_hosts_find(&dns->conf, text, family, list->at, &known);
    for (size_t i = 0; i < list->count; i++)
        rill__addr_set_port(&list->at[i], port);
    if (list->count > 0) {
        *ret_list = list;
        return rill__await_ready(task, 0);
    }
    rill_free(list);
    if (known)
        return rill_fail(-ENODATA, "%s: no such address in the hosts file", text);
    return ask_servers(task, dns, host, text, family, port, ret_list);
}

int rill__dns_addresses(const char *host, unsigned port, const rill_dns_hints *hints,
                        struct rill__dns_list **ret_list)
{
    static const rill_dns_hints usual;
    struct rill__task *task;
    rill_addr addrs[2];
    size_t count;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (hints == NULL)
        hints = &usual;
    if (port > UINT16_MAX ||
        (hints->family != 0 && hints->family != AF_INET && hints->family != AF_INET6))
        return -EINVAL;
    r = rill__host_is_known(host, hints->family, hints->flags & RILL_DNS_PASSIVE, addrs, &count);
    if (r < 0 || (r == 0 && hints->flags & RILL_DNS_NUMERIC))
        return rill_fail(-EINVAL, "%.64s: no numeric address of that family", host);
    if (r == 0)
        return look_up(task, host, port, hints->family, ret_list);
    struct rill__dns_list *list = list_of(addrs, count, port);
    if (list == NULL)
        return -ENOMEM;
    *ret_list = list;
    return rill__await_ready(task, 0);
}

struct public_list {
    rill_addrinfo info;
    struct rill__dns_list *list;
};

int rill_getaddrinfo(const char *host, unsigned port, const rill_dns_hints *hints,
                     rill_addrinfo **ret_list)
{
    struct public_list *public = rill_alloc(sizeof *public);
    if (public == NULL)
        return -ENOMEM;
    int r = rill__dns_addresses(host, port, hints, &public->list);
    if (r < 0) {
        rill_free(public);
        return r;
    }
    public->info = (rill_addrinfo){ public->list->at, public->list->count };
    *ret_list = &public->info;
    return 0;
}

void rill_addrinfo_free(rill_addrinfo *list)
{
    if (list == NULL)
        return;
    struct public_list *public = container_of(list, struct public_list, info);
    rill_free(public->list);
    rill_free(public);
}

/* --- Names. --- */

/* The address backwards, as names of the tree below .arpa. */
static void arpa_of(const rill_addr *addr, rill_text *text)
{
    const unsigned char *octets = addr->any.sa_family == AF_INET
                                      ? (const unsigned char *)&addr->in4.sin_addr
                                      : addr->in6.sin6_addr.s6_addr;
    if (addr->any.sa_family == AF_INET) {
        rill_text_fmt(text, "%u.%u.%u.%u.in-addr.arpa", octets[3], octets[2], octets[1], octets[0]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        rill_text_fmt(text, "%x.%x.", octets[i] & 15u, octets[i] >> 4);
    rill_text_add(text, RILL_SPAN("ip6.arpa"));
}

static int number_of(const rill_addr *addr, rill_text *text)
{
    char number[INET6_ADDRSTRLEN];
    const void *host = addr->any.sa_family == AF_INET ? (const void *)&addr->in4.sin_addr
                                                      : (const void *)&addr->in6.sin6_addr;
    (void)inet_ntop(addr->any.sa_family, host, number, sizeof number);
    rill_text_add(text, rill_span_of(number));
    return 0;
}

static int ask_name(struct rill__task *task, struct rill__dns *dns, const rill_addr *addr,
                    unsigned flags, rill_text *ret_text)
{
    char memory[RILL__DNS_NAME];
    rill_text arpa = { memory, sizeof memory, 0, false };
    struct rill__dns_name *name;
    arpa_of(addr, &arpa);
    int r = rill__dns_look_up(task, dns, rill_text_end(&arpa), RILL__DNS_REVERSE, true, &name);
    if (r < 0)
        return r;
    bool none = name->rc == -ENOENT || name->rc == -ENODATA;
    if (name->rc == 0)
        rill_text_add(ret_text, rill_span_of(name->host));
    else if (none && !(flags & RILL_DNS_NAME_REQUIRED))
        r = number_of(addr, ret_text);
    else
        r = rill_fail(none ? -ENOENT : name->rc, "%s: %s", name->name, name->why);
    rill__dns_release(name);
    return r;
}

static int name_of(struct rill__task *task, const rill_addr *addr, unsigned flags, rill_text *text)
{
    char name[RILL__DNS_NAME];
    struct rill__dns *dns;
    if (flags & RILL_DNS_AS_NUMBER)
        return rill__await_ready(task, number_of(addr, text));
    int r = rill__dns_of_loop(rill__loop_running, &dns);
    if (r < 0)
        return r;
    if (!rill__dns_hosts_name(&dns->conf, addr, name))
        return ask_name(task, dns, addr, flags, text);
    rill_text_add(text, rill_span_of(name));
    return rill__await_ready(task, 0);
}

int rill_getnameinfo(const rill_addr *addr, unsigned flags, char *buf, size_t size)
{
    char memory[RILL__DNS_NAME];
    rill_text text = { memory, sizeof memory, 0, false };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (addr->any.sa_family != AF_INET && addr->any.sa_family != AF_INET6)
        return -EAFNOSUPPORT;
    r = name_of(task, addr, flags, &text);
    if (r < 0)
        return r;
    if (text.used >= size)
        return -ENOSPC;
    memcpy(buf, rill_text_end(&text), text.used + 1);
    return 0;
}
