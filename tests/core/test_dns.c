/* test_dns.c - looking names up: numbers, files, servers, what is kept, shared and bounded. */
#include "tests/support/lookup.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* --- What nobody is asked about. --- */

static int numbers_and_localhost_ask_nobody(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_ADDRESSES("192.0.2.7", 0, "192.0.2.7:80");
    EXPECT_ADDRESSES("2001:db8::7", 0, "[2001:db8::7]:80");
    EXPECT_ADDRESSES("localhost", 0, "127.0.0.1:80 [::1]:80");
    EXPECT_ADDRESSES("LocalHost.", AF_INET6, "[::1]:80");
    EXPECT_ADDRESSES("www.localhost", AF_INET, "127.0.0.1:80");
    EXPECT_ADDRESSES(NULL, 0, "127.0.0.1:80 [::1]:80");
    EXPECT_IS(names.asked, 0);
    return 0;
}

/* CPython: test_create_connection_ipv6_scope */
static int link_local_address_names_its_interface(void *arg)
{
    static const char *const spelled[] = { "fe80::1%lo", "fe80::1%1" };
    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        OWNED_LIST rill_addrinfo *list = NULL;
        EXPECT_IS(rill_getaddrinfo(spelled[i], 80, NULL, &list), 0);
        EXPECT_IS(list->count, 1);
        EXPECT_IS(list->at[0].in6.sin6_scope_id, 1);
        EXPECT_IS(rill_addr_port(&list->at[0]), 80);
    }
    return 0;
}

static int what_is_no_name_is_refused(void *arg)
{
    static const char *const bad[] = {
        "a..b", ".a",    "a b",      "1.2.3", "0x7f.1", "b\303\274cher.test",    "x/y",
        ".",    "[::1]", "fe80::1%", "a.b..", "127.1",  "::1%no-such-interface", "127.0.0.1%lo"
    };
    char label[70], whole[300];
    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_NONE(bad[i], -EINVAL);
    memset(label, 'x', sizeof label);
    label[64] = 0;
    EXPECT_NONE(label, -EINVAL);
    for (size_t i = 0; i < sizeof whole - 1; i++)
        whole[i] = i % 8 == 7 ? '.' : 'x';
    whole[254] = 0;
    EXPECT_NONE(whole, -EINVAL);
    rill_addrinfo *list;
    EXPECT_IS(rill_getaddrinfo("::1", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), -EINVAL);
    EXPECT_IS(rill_getaddrinfo("a.test", 65536, NULL, &list), -EINVAL);
    EXPECT_IS(rill_getaddrinfo("a.test", 80, &(rill_dns_hints){ 0, RILL_DNS_NUMERIC }, &list),
              -EINVAL);
    return 0;
}

/* --- Servers. --- */

static int both_families_are_asked_for_at_once(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("one.test", 443, NULL, &list), 0);
    EXPECT_IS(list->count, 2);
    EXPECT_IS(names.asked, 2);
    EXPECT_IS(rill_addr_port(&list->at[0]), 443);
    EXPECT_ADDRESSES("four.test", 0, "127.0.0.1:80");
    EXPECT_ADDRESSES("six.test", 0, "[::1]:80");
    EXPECT_ADDRESSES("six.test", AF_INET6, "[::1]:80");
    EXPECT_ADDRESSES("alias.test", AF_INET, "127.0.0.1:80");
    return 0;
}

static int refusals_say_what_was_asked_and_whom(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_NONE("none.test", -ENOENT);
    const rill_err *last = rill_last_error();
    EXPECT(last != NULL && last->msg != NULL && strstr(last->msg, "none.test") != NULL);
    EXPECT(strstr(last->msg, names.at) != NULL);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("four.test", 80, &(rill_dns_hints){ AF_INET6, 0 }, &list), -ENODATA);
    EXPECT_NONE("fail.test", -EREMOTEIO);
    EXPECT_NONE("refuse.test", -EREMOTEIO);
    return 0;
}

/* --- Files. --- */

static char hosts_path[64], resolv_path[64];

static void name_files(void)
{
    snprintf(hosts_path, sizeof hosts_path, "/tmp/rill-dns-hosts-%d", (int)getpid());
    snprintf(resolv_path, sizeof resolv_path, "/tmp/rill-dns-resolv-%d", (int)getpid());
}

static void remove_files(int *mark)
{
    (void)mark;
    unlink(hosts_path);
    unlink(resolv_path);
}

#define OWNED_FILES                                             \
    __attribute__((cleanup(remove_files))) int files_mark_ = 0; \
    (void)files_mark_

/* A new file each time, as editors write them. */
static int write_file(const char *path, const char *text)
{
    char beside[80];
    snprintf(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    ssize_t r = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    return r < 0 || rename(beside, path) < 0 ? -EIO : 0;
}

static int use_files(const char *servers)
{
    rill_dns_opts opts = { .hosts = hosts_path,
                           .resolv_conf = resolv_path,
                           .servers = servers,
                           .timeout = servers != NULL ? patience : 0 };
    return rill_dns_configure(&opts);
}

static int hosts_file_comes_first_and_is_read_again(void *arg)
{
    (void)arg;
    OWNED_NAMES;
    OWNED_FILES;
    name_files();
    EXPECT_IS(write_file(hosts_path, "# ours\n"
                                     "10.1.2.3\tone.test  Other.Test # four.test\n"
                                     "nonsense five.test\n"
                                     "::7 one.test\n10.1.2.4 one.test"),
              0);
    EXPECT_IS(names_start(&names), 0);
    EXPECT_IS(use_files(names.at), 0);
    EXPECT_ADDRESSES("one.test", 0, "10.1.2.3:80 [::7]:80 10.1.2.4:80");
    EXPECT_ADDRESSES("other.test", 0, "10.1.2.3:80");
    rill_addrinfo *list;
    EXPECT_IS(rill_getaddrinfo("other.test", 80, &(rill_dns_hints){ AF_INET6, 0 }, &list),
              -ENODATA);
    EXPECT_IS(names.asked, 0);
    EXPECT_IS(write_file(hosts_path, "10.9.9.9 four.test\n"), 0);
    EXPECT_ADDRESSES("other.test", 0, "10.1.2.3:80"); /* it was looked at just now */
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_ADDRESSES("four.test", 0, "10.9.9.9:80");
    EXPECT_ADDRESSES("one.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 1);
    return 0;
}

/* Servers without a port are at port 53, where the simulated world has nobody. */
static int resolv_conf_names_servers_domains_and_patience(void *arg)
{
    char text[300];
    (void)arg;
    OWNED_NAMES;
    OWNED_FILES;
    name_files();
    EXPECT_IS(write_file(hosts_path, ""), 0);
    EXPECT_IS(names_start(&names), 0);
    snprintf(text, sizeof text,
             "; servers\nnameserver\nnameserver nonsense\nnameserver 127.0.0.1\nnameserver %s\n"
             "domain old.test\nsearch  none.test\tin.test bad..test # more\n"
             "options ndots:2 timeout:1 attempts:3 rotate\n",
             names.at);
    EXPECT_IS(write_file(resolv_path, text), 0);
    EXPECT_IS(use_files(NULL), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("four", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), 0);
    EXPECT_IS(names.asked, 1);
    EXPECT(strcmp(names.last, "four.none.test") == 0);
    rill_time start = rill_now();
    EXPECT_NONE("silent.x", -ETIMEDOUT);
    EXPECT(rill_now() - start >= RILL_SEC(3) && rill_now() - start < RILL_SEC(4));
    return 0;
}

static int search_list_is_walked_until_a_name_is_there(void *arg)
{
    char text[200];
    (void)arg;
    OWNED_NAMES;
    OWNED_FILES;
    name_files();
    EXPECT_IS(names_start(&names), 0);
    snprintf(text, sizeof text, "nameserver %s\nsearch a.test b.test\n", names.at);
    EXPECT_IS(write_file(resolv_path, text), 0);
    EXPECT_IS(use_files(NULL), 0);
    OWNED_LIST rill_addrinfo *list = NULL;
    EXPECT_IS(rill_getaddrinfo("none", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), -ENOENT);
    EXPECT_IS(names.asked, 3); /* in both, and as it is */
    EXPECT_IS(rill_getaddrinfo("none.", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), -ENOENT);
    EXPECT_IS(names.asked, 4); /* as it is */
    EXPECT(strcmp(names.last, "none") == 0);
    EXPECT_IS(rill_getaddrinfo("none.x", 80, &(rill_dns_hints){ AF_INET, 0 }, &list), -ENOENT);
    EXPECT_IS(names.asked, 7); /* with a dot in it: as it is first */
    return 0;
}

static int changed_resolv_conf_forgets_what_was_known(void *arg)
{
    char text[100];
    (void)arg;
    OWNED_NAMES;
    OWNED_FILES;
    name_files();
    EXPECT_IS(names_start(&names), 0);
    EXPECT_IS(names_start(&names_other), 0);
    snprintf(text, sizeof text, "nameserver %s\n", names.at);
    EXPECT_IS(write_file(resolv_path, text), 0);
    EXPECT_IS(use_files(NULL), 0);
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    snprintf(text, sizeof text, "nameserver %s\n# moved\n", names_other.at);
    EXPECT_IS(write_file(resolv_path, text), 0);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_ADDRESSES("four.test", AF_INET, "127.0.0.1:80");
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(names_other.asked, 1);
    return 0;
}

static int options_that_make_no_sense_are_refused(void *arg)
{
    static const char nine[] = "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
                               "1.1.1.1,1.1.1.1";
    static const char *const bad[] = { "nonsense", "127.0.0.1:0", "127.0.0.1,,127.0.0.1", "unix:/x",
                                       nine };
    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_IS(ask_at(bad[i]), -EINVAL);
    EXPECT_IS(rill_dns_configure(&(rill_dns_opts){ .timeout = -1 }), -EINVAL);
    EXPECT_IS(rill_dns_configure(&(rill_dns_opts){ .attempts = 6 }), -EINVAL);
    EXPECT_IS(rill_dns_configure(NULL), 0);
    return 0;
}

/* --- Names of addresses. --- */

static int addr_of(const char *text, rill_addr *ret_addr)
{
    return rill_addr_parse(rill_span_of(text), ret_addr);
}

static int address_has_the_name_that_its_zone_gives(void *arg)
{
    char name[254];
    rill_addr addr;
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(addr_of("127.0.0.1:80", &addr), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), 0);
        EXPECT(strcmp(name, "host.test") == 0);
        EXPECT_IS(names.asked, 1);
    }
    EXPECT(strcmp(names.last, "1.0.0.127.in-addr.arpa") == 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, 9), -ENOSPC);
    EXPECT_IS(rill_getnameinfo(&addr, RILL_DNS_AS_NUMBER, name, sizeof name), 0);
    EXPECT(strcmp(name, "127.0.0.1") == 0);
    EXPECT_IS(addr_of("[2001:db8::1f]:80", &addr), 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), 0);
    EXPECT(strcmp(names.last, "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
                              "ip6.arpa") == 0);
    EXPECT_IS(rill_sleep(RILL_SEC(10)), 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), 0);
    EXPECT_IS(names.asked, 3);
    return 0;
}

static int address_without_a_name_is_a_number(void *arg)
{
    char name[254];
    rill_addr addr;
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(addr_of("192.0.2.7:80", &addr), 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), 0);
    EXPECT(strcmp(name, "192.0.2.7") == 0);
    EXPECT_IS(rill_getnameinfo(&addr, RILL_DNS_NAME_REQUIRED, name, sizeof name), -ENOENT);
    EXPECT_IS(names.asked, 1);
    EXPECT_IS(addr_of("unix:/x", &addr), 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), -EAFNOSUPPORT);
    return 0;
}

static int hosts_file_names_addresses_too(void *arg)
{
    char name[254];
    rill_addr addr;
    (void)arg;
    OWNED_FILES;
    name_files();
    EXPECT_IS(write_file(hosts_path, "10.1.2.3\n10.1.2.3 first.test second.test\n"), 0);
    EXPECT_IS(use_files("192.0.2.1"), 0);
    EXPECT_IS(addr_of("10.1.2.3:80", &addr), 0);
    EXPECT_IS(rill_getnameinfo(&addr, 0, name, sizeof name), 0);
    EXPECT(strcmp(name, "first.test") == 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SIMULATED(hosts_file_comes_first_and_is_read_again),
    SIMULATED(resolv_conf_names_servers_domains_and_patience),
    SIMULATED(search_list_is_walked_until_a_name_is_there),
    SIMULATED(changed_resolv_conf_forgets_what_was_known),
    SIMULATED(options_that_make_no_sense_are_refused),
    SIMULATED_ONCE(address_has_the_name_that_its_zone_gives),
    SIMULATED(address_without_a_name_is_a_number),
    SIMULATED(hosts_file_names_addresses_too),
    SCENARIO(link_local_address_names_its_interface),
    SCENARIO(numbers_and_localhost_ask_nobody),
    SCENARIO(what_is_no_name_is_refused),
    SCENARIO_ONCE(both_families_are_asked_for_at_once),
    SIMULATED(both_families_are_asked_for_at_once),
    SIMULATED(refusals_say_what_was_asked_and_whom),
};

int main(void)
{
    return RUN_SCENARIOS("dns", scenarios);
}
