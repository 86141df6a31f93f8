/* test_doctor.c - the sentences that tell why there is no io_uring, word by word. */
#include "server/doctor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(int code, const char *problem, struct doctor_facts facts, const char *line)
{
    char memory[256];
    rill_text text = { memory, sizeof memory, 0, false };
    doctor_explain(code, problem, &facts, &text);
    assert_string_equal(rill_text_end(&text), line);
}

static void sysctl_that_forbids_is_named_with_the_fix(void **state)
{
    (void)state;
    expect(-EPERM, NULL, (struct doctor_facts){ 2, 65536, 4 },
           "cannot create an io_uring: EPERM. kernel.io_uring_disabled is 2: set it to 0, or to 1 "
           "with kernel.io_uring_group");
}

static void filter_is_named_when_the_sysctl_allows_it(void **state)
{
    (void)state;
    for (int sysctl = -1; sysctl <= 0; sysctl++)
        expect(-EPERM, NULL, (struct doctor_facts){ sysctl, 65536, 4 },
               "cannot create an io_uring: EPERM. The sysctl allows it, so a seccomp filter "
               "(container profile) forbids io_uring_setup");
}

static void kernel_without_io_uring_is_named(void **state)
{
    (void)state;
    expect(-ENOSYS, NULL, (struct doctor_facts){ -1, 65536, 4 },
           "cannot create an io_uring: ENOSYS. The kernel lacks io_uring or a seccomp filter "
           "hides it");
}

static void memlock_too_low_is_named_with_the_size_needed(void **state)
{
    (void)state;
    expect(-ENOMEM, NULL, (struct doctor_facts){ 0, 65536, 4 },
           "cannot create an io_uring: ENOMEM. RLIMIT_MEMLOCK is 64k, 4 workers need 6m (12m "
           "during an upgrade): set LimitMEMLOCK");
    expect(-ENOMEM, NULL, (struct doctor_facts){ 0, 100, 1 },
           "cannot create an io_uring: ENOMEM. RLIMIT_MEMLOCK is 100, 1 worker needs 1536k (3m "
           "during an upgrade): set LimitMEMLOCK");
}

static void other_code_shows_what_the_ring_said(void **state)
{
    (void)state;
    expect(-ENOMEM, "no memory left", (struct doctor_facts){ 0, UINT64_MAX, 4 },
           "cannot create an io_uring: ENOMEM. no memory left");
    expect(-EINVAL, "kernel 6.0 is too old, 6.1 is needed", (struct doctor_facts){ 0, 0, 1 },
           "cannot create an io_uring: EINVAL. kernel 6.0 is too old, 6.1 is needed");
}

static void facts_of_this_machine_can_be_read(void **state)
{
    (void)state;
    struct doctor_facts facts;
    doctor_look(3, &facts);
    assert_int_equal(facts.workers, 3);
    assert_in_range(facts.sysctl + 1, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sysctl_that_forbids_is_named_with_the_fix),
        cmocka_unit_test(filter_is_named_when_the_sysctl_allows_it),
        cmocka_unit_test(kernel_without_io_uring_is_named),
        cmocka_unit_test(memlock_too_low_is_named_with_the_size_needed),
        cmocka_unit_test(other_code_shows_what_the_ring_said),
        cmocka_unit_test(facts_of_this_machine_can_be_read),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
