/* test_addr.c - the promises of core/io/addr.c: addresses to text and back, by meaning. */
#include <rill/net.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define PATH_107                                                                                  \
    "/123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
    "1234567890123456"

static const char *format(const rill_addr *addr)
{
    static char memory[RILL_ADDR_TEXT_MAX + 1];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_addr_format(addr, &text);
    assert_false(text.full);
    return rill_text_end(&text);
}

static void parse_then_format_gives_the_same_address_back(void **state)
{
    (void)state;

    static const struct {
        const char *text, *canonical;
    } rows[] = {
        { "127.0.0.1:8080", "127.0.0.1:8080" },
        { "0.0.0.0:0", "0.0.0.0:0" },
        { "255.255.255.255:65535", "255.255.255.255:65535" },
        { "[::]:80", "[::]:80" },
        { "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443" },
        { "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1" },
        { "[2001:0db8:1111:2222:3333:4444:255.255.255.255]:65535",
          "[2001:db8:1111:2222:3333:4444:ffff:ffff]:65535" },
        { "unix:/run/app.sock", "unix:/run/app.sock" },
        { "unix:relative:with:colons", "unix:relative:with:colons" },
        { "unix:" PATH_107, "unix:" PATH_107 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_addr addr, again;
        assert_int_equal(rill_addr_parse(rill_span_of(rows[i].text), &addr), 0);
        assert_string_equal(format(&addr), rows[i].canonical);
        assert_int_equal(rill_addr_parse(rill_span_of(rows[i].canonical), &again), 0);
        assert_true(rill_addr_equal(&addr, &again));
    }
}

static void parse_of_anything_else_names_the_cause_and_leaves_the_output(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        int error;
    } rows[] = {
        { "", -EINVAL },
        { ":80", -EINVAL },
        { "80", -EINVAL },
        { "localhost:80", -EINVAL },
        { "127.1:80", -EINVAL },
        { "127.0.0.01:80", -EINVAL },
        { "0x7f.0.0.1:80", -EINVAL },
        { "127.0.0.256:80", -EINVAL },
        { " 127.0.0.1:80", -EINVAL },
        { "127.0.0.1 :80", -EINVAL },
        { "::1:80", -EINVAL },
        { "[::1", -EINVAL },
        { "[]:80", -EINVAL },
        { "[127.0.0.1]:80", -EINVAL },
        { "[::1%1]:80", -EINVAL },
        { "[::1]80", -EINVAL },
        { "[::1]]:80", -EINVAL },
        { "[1:2:3:4:5:6:7:8:9]:80", -EINVAL },
        { "[0000000000000000000000000000000000000000000000000000000000000001]:80", -EINVAL },
        { "127.0.0.1", -EDESTADDRREQ },
        { "127.0.0.1:", -EDESTADDRREQ },
        { "[::1]", -EDESTADDRREQ },
        { "[::1]:", -EDESTADDRREQ },
        { "127.0.0.1:65536", -ERANGE },
        { "127.0.0.1:00", -ERANGE },
        { "127.0.0.1:080", -ERANGE },
        { "127.0.0.1:+80", -ERANGE },
        { "127.0.0.1:80 ", -ERANGE },
        { "127.0.0.1:99999999999999999999", -ERANGE },
        { "[::1]:http", -ERANGE },
        { "unix:", -EINVAL },
        { "UNIX:/x", -EINVAL },
        { "unix:" PATH_107 "x", -ENAMETOOLONG },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_addr addr = { .length = 77 };
        assert_int_equal(rill_addr_parse(rill_span_of(rows[i].text), &addr), rows[i].error);
        assert_int_equal(addr.length, 77);
    }
}

static void parse_never_takes_a_zero_octet_for_the_end(void **state)
{
    (void)state;
    rill_addr addr;
    assert_int_equal(rill_addr_parse(RILL_SPAN("127.0.0.1\0:80"), &addr), -EINVAL);
    assert_int_equal(rill_addr_parse(RILL_SPAN("[::1\0]:80"), &addr), -EINVAL);
    assert_int_equal(rill_addr_parse(RILL_SPAN("127.0.0.1:8\0"), &addr), -ERANGE);
    assert_int_equal(rill_addr_parse(RILL_SPAN("unix:/a\0b"), &addr), -EINVAL);
}

static void format_shows_every_address_the_kernel_gives(void **state)
{
    (void)state;
    rill_addr none = { 0 };
    rill_addr unnamed = { .un.sun_family = AF_UNIX, .length = sizeof(sa_family_t) };
    rill_addr abstract = { .un = { .sun_family = AF_UNIX, .sun_path = "\0name" },
                           .length = offsetof(struct sockaddr_un, sun_path) + 5 };
    /* The kernel hands a path back that fills the field and has no zero octet. */
    rill_addr filled = { .un.sun_family = AF_UNIX, .length = sizeof(struct sockaddr_un) };
    memset(filled.un.sun_path, 'x', sizeof filled.un.sun_path);
    assert_string_equal(format(&none), "-");
    assert_string_equal(format(&unnamed), "unix:");
    assert_string_equal(format(&abstract), "unix:@name");
    assert_int_equal(strlen(format(&filled)), 5 + 108);
}

static void format_says_when_the_text_does_not_fit(void **state)
{
    (void)state;
    rill_addr addr;
    char memory[8];
    rill_text text = { memory, sizeof memory, 0, false };
    assert_int_equal(rill_addr_parse(RILL_SPAN("127.0.0.1:80"), &addr), 0);
    rill_addr_format(&addr, &text);
    assert_true(text.full);
}

static rill_addr parsed(const char *text)
{
    rill_addr addr;
    assert_int_equal(rill_addr_parse(rill_span_of(text), &addr), 0);
    return addr;
}

static void equal_compares_what_counts_only(void **state)
{
    (void)state;
    rill_addr a = parsed("127.0.0.1:80"), b = a;
    memset(b.in4.sin_zero, 0xff, sizeof b.in4.sin_zero);
    assert_true(rill_addr_equal(&a, &b));
    static const char *const others[] = { "127.0.0.1:81", "127.0.0.2:80", "[::ffff:127.0.0.1]:80",
                                          "unix:127.0.0.1:80" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        b = parsed(others[i]);
        assert_false(rill_addr_equal(&a, &b));
    }
    a = b = parsed("[fe80::1]:80");
    b.in6.sin6_flowinfo = 7;
    assert_true(rill_addr_equal(&a, &b));
    b.in6.sin6_scope_id = 2;
    assert_false(rill_addr_equal(&a, &b));
    a = b = parsed("unix:/run/x");
    b.length = sizeof(struct sockaddr_un);
    assert_true(rill_addr_equal(&a, &b));
    b = parsed("unix:/run/xy");
    assert_false(rill_addr_equal(&a, &b));
}

static void port_is_in_the_order_of_the_machine(void **state)
{
    (void)state;
    rill_addr in4 = parsed("127.0.0.1:8080"), in6 = parsed("[::1]:443"), un = parsed("unix:/x");
    rill_addr none = { 0 };
    assert_int_equal(rill_addr_port(&in4), 8080);
    assert_int_equal(rill_addr_port(&in6), 443);
    assert_int_equal(rill_addr_port(&un), 0);
    assert_int_equal(rill_addr_port(&none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_then_format_gives_the_same_address_back),
        cmocka_unit_test(parse_of_anything_else_names_the_cause_and_leaves_the_output),
        cmocka_unit_test(parse_never_takes_a_zero_octet_for_the_end),
        cmocka_unit_test(format_shows_every_address_the_kernel_gives),
        cmocka_unit_test(format_says_when_the_text_does_not_fit),
        cmocka_unit_test(equal_compares_what_counts_only),
        cmocka_unit_test(port_is_in_the_order_of_the_machine),
    };
    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
