/* test_cond.c - the promises of server/http/cond: rules 81 to 88 and 97. */
#include "server/http/cond.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OLD  "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define NEW  "Sun, 06 Nov 1994 08:49:38 GMT"

static const int64_t modified = 784111777, now = 1767225600;

struct row {
    const char *match, *none_match, *modified_since, *unmodified_since;
    enum cond_result get, put;
};

static void check_rows(const struct row *rows, size_t count, const char *etag)
{
    struct cond_target target = { rill_span_of(etag), modified };
    for (size_t i = 0; i < count; i++) {
        struct cond_fields fields = { rill_span_of(rows[i].match), rill_span_of(rows[i].none_match),
                                      rill_span_of(rows[i].modified_since),
                                      rill_span_of(rows[i].unmodified_since) };
        assert_int_equal(cond_check(&fields, &target, true, now), rows[i].get);
        assert_int_equal(cond_check(&fields, &target, false, now), rows[i].put);
    }
}

#define CHECK_ROWS(rows, etag) check_rows(rows, sizeof(rows) / sizeof *(rows), etag)

#define GO   COND_PROCEED
#define NOT  COND_NOT_MODIFIED
#define FAIL COND_FAILED
#define BAD  COND_BAD

static void rule_81_preconditions_are_taken_in_their_order(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NULL, NULL, NULL, NULL, GO, GO },
        { "\"b\"", "\"a\"", NULL, NULL, FAIL, FAIL }, /* If-Match comes first */
        { "\"a\"", "\"a\"", NULL, NULL, NOT, FAIL },  /* then If-None-Match */
        { NULL, "\"a\"", NULL, OLD, FAIL, FAIL },     /* so does If-Unmodified-Since */
        { "\"a\"", NULL, SAME, OLD, NOT, GO },        /* rule 86 */
        { NULL, "\"b\"", SAME, NULL, GO, GO },        /* rule 85 */
        { "\"a\"", "\"b\"", SAME, OLD, GO, GO },
        { NULL, NULL, SAME, SAME, NOT, GO },
    };
    CHECK_ROWS(rows, "\"a\"");
}

static void rule_83_if_match_compares_strongly(void **state)
{
    (void)state;
    static const struct row strong[] = {
        { "\"a\"", NULL, NULL, NULL, GO, GO },
        { "*", NULL, NULL, NULL, GO, GO },
        { "W/\"a\"", NULL, NULL, NULL, FAIL, FAIL },
        { "\"b\"", NULL, NULL, NULL, FAIL, FAIL },
        { "", NULL, NULL, NULL, FAIL, FAIL },
        { "\"x\", W/\"a\" ,\"a\"", NULL, NULL, NULL, GO, GO },
    };
    static const struct row weak[] = {
        { "\"a\"", NULL, NULL, NULL, FAIL, FAIL },
        { "W/\"a\"", NULL, NULL, NULL, FAIL, FAIL },
        { "*", NULL, NULL, NULL, GO, GO },
    };
    CHECK_ROWS(strong, "\"a\"");
    CHECK_ROWS(weak, "W/\"a\"");
}

static void rule_84_if_none_match_compares_weakly(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NULL, "\"a\"", NULL, NULL, NOT, FAIL },
        { NULL, "W/\"a\"", NULL, NULL, NOT, FAIL },
        { NULL, "*", NULL, NULL, NOT, FAIL },
        { NULL, "\"x\"\t,\t W/\"a\"", NULL, NULL, NOT, FAIL },
        { NULL, "\"x\", \"y\"", NULL, NULL, GO, GO },
        { NULL, "\"A\"", NULL, NULL, GO, GO },
        { NULL, "\"*\"", NULL, NULL, GO, GO },
        { NULL, "*, \"x\"", NULL, NULL, GO, GO }, /* an asterisk stands alone */
    };
    CHECK_ROWS(rows, "\"a\"");
    CHECK_ROWS(rows, "W/\"a\"");
}

static void rule_85_if_modified_since_needs_a_date_and_a_safe_method(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NULL, NULL, OLD, NULL, GO, GO },
        { NULL, NULL, SAME, NULL, NOT, GO },
        { NULL, NULL, NEW, NULL, NOT, GO },
        { NULL, NULL, "0", NULL, GO, GO },
        { NULL, NULL, "", NULL, GO, GO },
        { NULL, NULL, SAME "; length=3", NULL, GO, GO },
        { NULL, "", SAME, NULL, GO, GO },
        { NULL, NULL, SAME ", " SAME, NULL, GO, GO },
        { NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", NULL, NOT, GO },
    };
    CHECK_ROWS(rows, "\"a\"");
}

static void rule_86_if_unmodified_since_fails_for_an_older_date_only(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NULL, NULL, NULL, OLD, FAIL, FAIL }, { NULL, NULL, NULL, SAME, GO, GO },
        { NULL, NULL, NULL, NEW, GO, GO },     { NULL, NULL, NULL, "yesterday", GO, GO },
        { "\"a\"", NULL, NULL, OLD, GO, GO },
    };
    CHECK_ROWS(rows, "\"a\"");
}

static void rule_88_tags_are_read_by_the_grammar(void **state)
{
    (void)state;
    static const struct row comma[] = {
        { NULL, "\"a,b\"", NULL, NULL, NOT, FAIL },
        { NULL, "\"x\",\"a,b\"", NULL, NULL, NOT, FAIL },
        { NULL, "\"a\", \"b\"", NULL, NULL, GO, GO },
        { NULL, "a,b", NULL, NULL, GO, GO },
        { NULL, "x\"a,b\"", NULL, NULL, GO, GO },
        { NULL, "\"a,b\"x", NULL, NULL, GO, GO },
        { NULL, "w/\"a,b\"", NULL, NULL, GO, GO },
        { NULL, "W/ \"a,b\"", NULL, NULL, GO, GO },
        { NULL, "\"a,b", NULL, NULL, GO, GO },
        { NULL, "\"a,b\" \"a,b\"", NULL, NULL, GO, GO },
        { NULL, "junk, \"a,b\"", NULL, NULL, NOT, FAIL }, /* junk matches nothing, no more */
        { NULL, "\"with space, \", \"a,b\"", NULL, NULL, NOT, FAIL },
    };
    static const struct row obs[] = {
        { NULL, "\"\xe9\xff\"", NULL, NULL, NOT, FAIL },
        { NULL, "\"\xe9\"", NULL, NULL, GO, GO },
    };
    static const struct row none[] = {
        /* no tag of our own: only the asterisk can match */
        { NULL, "\"\"", NULL, NULL, GO, GO },
        { NULL, "W/", NULL, NULL, GO, GO },
        { NULL, "*", NULL, NULL, NOT, FAIL },
        { "\"\"", NULL, NULL, NULL, FAIL, FAIL },
    };
    CHECK_ROWS(comma, "\"a,b\"");
    CHECK_ROWS(obs, "\"\xe9\xff\"");
    CHECK_ROWS(none, "");
    static const struct row empty[] = { { NULL, "\"\"", NULL, NULL, NOT, FAIL } };
    CHECK_ROWS(empty, "\"\"");
}

static void rule_42_list_of_more_than_32_empty_elements_is_refused(void **state)
{
    (void)state;
    char good[64], bad[64];
    memset(good, ',', 32);
    memcpy(good + 32, "\"a\"", 4); /* 32 empty elements, then one that matches */
    memset(bad, ',', 33);
    memcpy(bad + 33, "\"a\"", 4);
    struct row rows[] = {
        { NULL, good, NULL, NULL, NOT, FAIL },        { NULL, bad, NULL, NULL, BAD, BAD },
        { good, NULL, NULL, NULL, GO, GO },           { bad, NULL, NULL, NULL, BAD, BAD },
        { NULL, "\"a\", ,,", NULL, NULL, NOT, FAIL },
    };
    CHECK_ROWS(rows, "\"a\"");
}

static void target_without_a_date_ignores_dates(void **state)
{
    (void)state;
    struct cond_target target = { RILL_SPAN("\"a\""), INT64_MIN };
    struct cond_fields since = { .modified_since = RILL_SPAN(NEW) };
    struct cond_fields until = { .unmodified_since = RILL_SPAN(OLD) };
    assert_int_equal(cond_check(&since, &target, true, now), COND_PROCEED);
    assert_int_equal(cond_check(&until, &target, true, now), COND_PROCEED);
    assert_false(cond_if_range(RILL_SPAN(SAME), &target, now));
}

static void rule_97_if_range_takes_a_strong_tag_or_a_settled_date(void **state)
{
    (void)state;
    struct cond_target strong = { RILL_SPAN("\"a\""), modified };
    struct cond_target weak = { RILL_SPAN("W/\"a\""), modified };
    static const char *const no[] = { "W/\"a\"", "\"b\"", "a", "*", "",      "\"a\", \"b\"",
                                      "\"a\"x",  OLD,     NEW, "0", SAME " " };
    assert_true(cond_if_range(RILL_SPAN("\"a\""), &strong, now));
    assert_false(cond_if_range(RILL_SPAN("\"a\""), &weak, now));
    assert_true(cond_if_range(RILL_SPAN(SAME), &strong, now));
    assert_true(cond_if_range(RILL_SPAN(SAME), &strong, modified + 1));
    assert_false(cond_if_range(RILL_SPAN(SAME), &strong, modified));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(cond_if_range(rill_span_of(no[i]), &strong, now));
}

/* Every cut of a long list, read from memory that ends exactly there, stays inside it. */
static void list_ends_anywhere_without_reading_beyond(void **state)
{
    (void)state;
    static const char list[] = ", W/\"a,b\" ,x\"y\" z, \"c\" , \"\xff\",*,W/,\"";
    struct cond_target target = { RILL_SPAN("\"none\""), modified };
    for (size_t size = 0; size < sizeof list; size++) {
        char *exact = rill_copy(list, size);
        assert_non_null(exact);
        char *tight = rill_resize(exact, size > 0 ? size : 1);
        assert_non_null(tight);
        struct cond_fields fields = { .none_match = { tight, size } };
        assert_int_equal(cond_check(&fields, &target, true, now), COND_PROCEED);
        cond_if_range(fields.none_match, &target, now);
        rill_free(tight);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_81_preconditions_are_taken_in_their_order),
        cmocka_unit_test(rule_83_if_match_compares_strongly),
        cmocka_unit_test(rule_84_if_none_match_compares_weakly),
        cmocka_unit_test(rule_85_if_modified_since_needs_a_date_and_a_safe_method),
        cmocka_unit_test(rule_86_if_unmodified_since_fails_for_an_older_date_only),
        cmocka_unit_test(rule_88_tags_are_read_by_the_grammar),
        cmocka_unit_test(rule_42_list_of_more_than_32_empty_elements_is_refused),
        cmocka_unit_test(target_without_a_date_ignores_dates),
        cmocka_unit_test(rule_97_if_range_takes_a_strong_tag_or_a_settled_date),
        cmocka_unit_test(list_ends_anywhere_without_reading_beyond),
    };
    return cmocka_run_group_tests_name("cond", tests, NULL, NULL);
}
