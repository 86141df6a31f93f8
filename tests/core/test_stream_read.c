/* test_stream_read.c - reading from streams: shown in place or taken, bounded, and nothing lost to a cancel. */
#include "core/io/stream.h"
#include "tests/support/pair.h"

#include <sys/socket.h>
#include <unistd.h>

/* --- Reading. --- */

static int peek_shows_without_taking_and_consume_takes(void *arg)
{
    rill_span seen;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_peek(right, 0, &seen), 1);
    EXPECT_IS(seen.size, 0);
    rill_stream_consume(right, 0); /* of no octets, and no memory for any */
    EXPECT_IS(rill_stream_write(left, "abc", 3, NULL), 3);
    EXPECT_IS(rill_stream_peek(right, 1, &seen), 1);
    EXPECT(seen.size == 3 && memcmp(seen.at, "abc", 3) == 0);
    rill_stream_consume(right, 1);
    EXPECT_IS(rill_stream_buffered(right), 2);
    EXPECT_IS(rill_stream_write(left, "de", 2, NULL), 2);
    EXPECT_IS(rill_stream_peek(right, 4, &seen), 1); /* it came in two pieces: shown as one */
    EXPECT(seen.size == 4 && memcmp(seen.at, "bcde", 4) == 0);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_peek(right, 5, &seen), 0);
    EXPECT(seen.size == 4 && memcmp(seen.at, "bcde", 4) == 0);
    EXPECT(rill_stream_peer_ended(right));
    rill_stream_consume(right, 4);
    EXPECT_IS(rill_stream_peek(right, 1, &seen), 0);
    EXPECT_IS(seen.size, 0);
    EXPECT_IS(rill_stream_peek(right, (64 << 10) + 1, &seen), -EINVAL);
    return 0;
}

static int read_exactly_tells_how_far_it_came(void *arg)
{
    char in[8];
    size_t got = 9;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_write(left, "abcdefgh", 8, NULL), 8);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, &got), 0);
    EXPECT_IS(got, 5);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, &got), -ENODATA);
    EXPECT_IS(got, 3);
    EXPECT(memcmp(in, "fgh", 3) == 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 0, NULL), 0);
    return 0;
}

static int read_once(void *arg)
{
    char in[16];
    (void)arg;
    int r = rill_stream_read(right, in, sizeof in);
    trace(r == -ECANCELED ? 'c' : r > 0 ? 'r' : '?');
    return r;
}

static int second_reader_is_refused(void *arg)
{
    char in[4];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &reader), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), -EBUSY);
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), 1);
    EXPECT_IS(rill_await(reader), 1);
    return 0;
}

static int cancelled_read_leaves_the_octets_in_the_stream(void *arg)
{
    char in[16];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(reader, NULL);
    int ended = rill_await(reader);
    EXPECT_IS(ended, -ECANCELED);
    EXPECT_IS(rill_stream_write(left, "abc", 3, NULL), 3);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    return 0;
}

/* The reader is then on the queue and has not run. */
static int cancel_when_it_came(void *arg)
{
    rill_task *reader = *(rill_task **)arg;
    while (!rill_done(reader) && rill_stream_buffered(right) == 0) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    rill_cancel(reader, NULL);
    return 0;
}

/* The law of races: the stream can keep the octets, so the cancel wins and they stay. */
static int cancel_in_the_turn_of_the_octets_leaves_them_in_the_stream(void *arg)
{
    char in[16];
    static rill_task *reader;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_stream_write(left, "abc", 3, NULL), 3);
    OWNED_FUTURE rill_task *canceller = rill_create_task(RILL_CORO(cancel_when_it_came, &reader));
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT_IS(rill_await(canceller), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    return 0;
}

/* --- Pause and resume. --- */

/* Fill the far socket as far as it takes; how much is under way now. */
static size_t stuff_far(size_t under_way)
{
    for (;;) {
        ssize_t sent =
            send(far, pattern + under_way, sizeof pattern - under_way, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            return under_way;
        under_way += (size_t)sent;
    }
}

static int stuff_until_nothing_moves(size_t *under_way)
{
    for (int quiet = 0; quiet < 20; quiet++) {
        size_t before = *under_way, buffered = rill_stream_buffered(left);
        *under_way = stuff_far(*under_way);
        int r = rill_sleep(0);
        if (r < 0)
            return r;
        if (*under_way > before || rill_stream_buffered(left) > buffered)
            quiet = 0;
    }
    return 0;
}

static int stream_that_is_not_read_stops_receiving_at_its_limit_and_goes_on_later(void *arg)
{
    enum { limit = 32 << 10 };

    size_t sent = 0;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(limit), 0);
    EXPECT_IS(stuff_until_nothing_moves(&sent), 0);
    EXPECT(rill_stream_buffered(left) >= limit);
    EXPECT(rill_stream_buffered(left) < limit + (512 << 10));
    EXPECT(sent < sizeof pattern);
    while (arrived_size < sizeof arrived) {
        int r = rill_stream_read(left, arrived + arrived_size, 4096);
        EXPECT(r > 0);
        arrived_size += (size_t)r;
        sent = stuff_far(sent);
    }
    EXPECT(arrived_in_order());
    return 0;
}

/* After a pause the reader may want more than is left, though less than half was taken. */
static int paused_stream_goes_on_for_a_reader_that_wants_more_than_there_is(void *arg)
{
    enum { limit = 32 << 10 };

    size_t sent = 0;
    rill_span seen;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(limit), 0);
    EXPECT_IS(stuff_until_nothing_moves(&sent), 0);
    size_t extra = rill_stream_buffered(left) - limit;
    EXPECT_IS(rill_stream_peek(left, limit, &seen), 1);
    rill_stream_consume(left, extra + 100); /* leaves 100 less than the limit: above half of it */
    EXPECT_IS(rill_stream_peek(left, limit, &seen), 1);
    EXPECT(seen.size >= limit && memcmp(seen.at, pattern + extra + 100, limit) == 0);
    return 0;
}

/* --- Lines and separators. --- */

/* Let these octets arrive at `left`. */
static int feed(const char *text)
{
    size_t size = strlen(text), before = rill_stream_buffered(left);
    if (send(far, text, size, MSG_NOSIGNAL) != (ssize_t)size)
        return -EIO;
    while (rill_stream_buffered(left) < before + size) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int feed_end(void)
{
    close(far);
    far = -1;
    while (!rill_stream_peer_ended(left)) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is left in the stream is `text`, and is taken. */
static int expect_left(const char *text)
{
    rill_span seen;
    EXPECT_IS(rill_stream_peek(left, 0, &seen), 1);
    EXPECT(rill_span_equal(seen, rill_span_of(text)));
    rill_stream_consume(left, seen.size);
    return 0;
}

#define EXPECT_SLICE(call, text)                             \
    do {                                                     \
        rill_span slice_;                                    \
        EXPECT_IS(call, strlen(text));                       \
        EXPECT(rill_span_equal(slice_, rill_span_of(text))); \
    } while (0)
#define EXPECT_LINE(text) EXPECT_SLICE(rill_stream_read_line(left, &slice_), text)

static int lines_come_one_by_one_and_the_last_may_have_no_newline(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    EXPECT_IS(feed("line1\nline2\n\nli"), 0);
    EXPECT_LINE("line1\n");
    EXPECT_IS(rill_stream_read(left, in, 4), 4);
    EXPECT(memcmp(in, "line", 4) == 0);
    EXPECT_LINE("2\n");
    EXPECT_LINE("\n");
    EXPECT_IS(feed("ne 3"), 0);
    EXPECT(!rill_stream_at_eof(left));
    EXPECT_IS(feed_end(), 0);
    EXPECT(!rill_stream_at_eof(left));
    EXPECT_LINE("line 3");
    EXPECT(rill_stream_at_eof(left));
    EXPECT_LINE("");
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 0);
    return 0;
}

static int read_of_nothing_returns_at_once(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    EXPECT_IS(rill_stream_read(left, in, 0), 0);
    EXPECT_IS(rill_stream_read_exactly(left, in, 0, NULL), 0);
    EXPECT_IS(feed("abc"), 0);
    EXPECT_IS(rill_stream_read(left, in, 0), 0);
    return expect_left("abc");
}

static int read_a_line(void *arg)
{
    static char copy[200];
    rill_span line;
    (void)arg;
    if (left == NULL)
        return 0; /* the scenario was left before our first step */
    int r = rill_stream_read_line(left, &line);
    if (r < 0)
        return r;
    memcpy(copy, line.at, line.size);
    copy[line.size] = 0;
    r = rill_sleep(0); /* it stays where it is, whatever comes */
    if (r == 0 && memcmp(copy, line.at, line.size) != 0)
        r = -EBADMSG;
    return r < 0 ? r : rill_return_ptr(copy);
}

static int line_in_pieces_is_waited_for(void *arg)
{
    static const char *const pieces[] = { "chunk1 ", "chunk2 ", "chunk3 \n chunk4" };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_a_line, NULL)));
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(!rill_done(reader));
        EXPECT_IS(send(far, pieces[i], strlen(pieces[i]), MSG_NOSIGNAL), strlen(pieces[i]));
    }
    EXPECT_IS(rill_await(reader), 0);
    EXPECT(strcmp(rill_value(reader), "chunk1 chunk2 chunk3 \n") == 0);
    return expect_left(" chunk4");
}

/* Row 109. */
static int line_above_the_limit_is_thrown_away_and_exactly_the_limit_passes(void *arg)
{
    rill_span line = RILL_SPAN("untouched");
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(3), 0);
    EXPECT_IS(feed("line1\nline2\n"), 0);
    EXPECT_IS(rill_stream_read_line(left, &line), -EMSGSIZE);
    EXPECT(rill_span_equal(line, RILL_SPAN("untouched")));
    EXPECT_IS(expect_left("line2\n"), 0);
    EXPECT_IS(feed("line1li"), 0);
    EXPECT_IS(rill_stream_read_line(left, &line), -EMSGSIZE);
    EXPECT_IS(rill_stream_buffered(left), 0);
    EXPECT_IS(feed("123\n"), 0);
    EXPECT_LINE("123\n");
    EXPECT_IS(feed("1234\n"), 0);
    EXPECT_IS(rill_stream_read_line(left, &line), -EMSGSIZE);
    EXPECT_IS(rill_stream_buffered(left), 0);
    EXPECT_IS(feed("1234"), 0);
    EXPECT_IS(rill_stream_read_line(left, &line), -EMSGSIZE);
    EXPECT_IS(rill_stream_buffered(left), 0);
    return 0;
}

/* Row 109. The octets come while the reader waits, beyond the limit. */
static int line_that_grows_above_the_limit_while_waited_for_is_thrown_away(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(7), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_a_line, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(send(far, "chunk1chunk2\nchunk3\n", 20, MSG_NOSIGNAL), 20);
    EXPECT_IS(rill_await(reader), -EMSGSIZE);
    EXPECT_LINE("chunk3\n");
    return 0;
}

#define EXPECT_UNTIL(separator, text) \
    EXPECT_SLICE(rill_stream_read_until(left, &RILL_SPAN(separator), 1, &slice_), text)

/* Row 110. */
static int separator_beyond_the_limit_leaves_everything(void *arg)
{
    const rill_span ending = RILL_SPAN("AAA"),
                    either[] = { RILL_SPAN("ome dataA"), RILL_SPAN("A") };
    rill_span slice;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(3), 0);
    EXPECT_IS(feed("some dataAA"), 0);
    EXPECT_IS(rill_stream_read_until(left, &ending, 1, &slice), -EMSGSIZE);
    EXPECT_IS(expect_left("some dataAA"), 0);
    EXPECT_IS(feed("some dataAAA"), 0);
    EXPECT_IS(rill_stream_read_until(left, &ending, 1, &slice), -EMSGSIZE);
    EXPECT_IS(expect_left("some dataAAA"), 0);
    EXPECT_IS(feed("some dataA"), 0); /* both end at the same place: the shorter one counts */
    EXPECT_IS(rill_stream_read_until(left, either, 2, &slice), -EMSGSIZE);
    return expect_left("some dataA");
}

static int read_until_either(void *arg)
{
    static const rill_span either[] = { RILL_SPAN("A"), RILL_SPAN("long separator") };
    rill_span slice;
    (void)arg;
    return rill_stream_read_until(left, either, 2, &slice);
}

/* What is there is long enough for the one separator and not for the other. */
static int short_separator_is_found_while_a_long_one_could_still_begin(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    EXPECT_IS(feed("data"), 0);
    OWNED_FUTURE rill_task *reader = rill_create_task(RILL_CORO(read_until_either, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(send(far, "Z", 1, MSG_NOSIGNAL), 1);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(reader));
    EXPECT_IS(send(far, "Aaaaa", 5, MSG_NOSIGNAL), 5);
    EXPECT_IS(rill_await(reader), 6);
    return expect_left("aaaa");
}

static int read_until_aaa(void *arg)
{
    rill_span slice;
    (void)arg;
    return rill_stream_read_until(left, &RILL_SPAN("aaa"), 1, &slice);
}

/* Row 111. */
static int separator_split_over_chunks_is_found(void *arg)
{
    static const struct {
        const char *pieces[4];
        size_t size;
    } rows[] = {
        { { "QWEaa", "XYaa", "a" }, 10 },
        { { "QWEaa", "XYa", "aa" }, 10 },
        { { "aaa" }, 3 },
        { { "Xaaa" }, 4 },
        { { "QQQ", "a", "a", "a" }, 6 },
    };

    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        OWNED_FUTURE rill_task *reader = rill_create_task(RILL_CORO(read_until_aaa, NULL));
        for (int i = 0; i < 4 && rows[row].pieces[i] != NULL; i++) {
            size_t size = strlen(rows[row].pieces[i]);
            EXPECT_IS(send(far, rows[row].pieces[i], size, MSG_NOSIGNAL), size);
            EXPECT_IS(rill_sleep(0), 0);
        }
        int r = rill_await(reader);
        EXPECT_IS(r, rows[row].size);
        EXPECT_IS(rill_stream_buffered(left), 0);
    }
    return 0;
}

/* Row 111. */
static int of_several_separators_the_one_that_ends_first_wins(void *arg)
{
    const rill_span ends[] = { RILL_SPAN("\r"), RILL_SPAN("\n") };
    const rill_span nested[] = { RILL_SPAN("DEF"), RILL_SPAN("BCDE") };
    const rill_span unlike[] = { RILL_SPAN("A"), RILL_SPAN("long separator") };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    EXPECT_IS(feed("line 1\nline 2\r"), 0);
    EXPECT_SLICE(rill_stream_read_until(left, ends, 2, &slice_), "line 1\n");
    EXPECT_SLICE(rill_stream_read_until(left, ends, 2, &slice_), "line 2\r");
    EXPECT_IS(feed("ABCDEFG"), 0);
    EXPECT_SLICE(rill_stream_read_until(left, nested, 2, &slice_), "ABCDE");
    EXPECT_IS(expect_left("FG"), 0);
    EXPECT_IS(feed("dataA"), 0);
    EXPECT_SLICE(rill_stream_read_until(left, unlike, 2, &slice_), "dataA");
    return 0;
}

static int end_before_the_separator_gives_what_was_left(void *arg)
{
    const rill_span ending = RILL_SPAN("AAA"), empty[] = { ending, RILL_SPAN("") };
    rill_span slice = RILL_SPAN("untouched");
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    EXPECT_IS(rill_stream_read_until(left, &ending, 0, &slice), -EINVAL);
    EXPECT_IS(rill_stream_read_until(left, empty, 2, &slice), -EINVAL);
    EXPECT(rill_span_equal(slice, RILL_SPAN("untouched")));
    EXPECT_IS(feed("some dataAA"), 0);
    EXPECT_IS(feed_end(), 0);
    EXPECT_IS(rill_stream_read_until(left, &ending, 1, &slice), -ENODATA);
    EXPECT(rill_span_equal(slice, RILL_SPAN("some dataAA")));
    EXPECT(rill_stream_at_eof(left));
    EXPECT_IS(rill_stream_read_until(left, &ending, 1, &slice), -ENODATA);
    EXPECT_IS(slice.size, 0);
    return 0;
}

/* A slice stays as it is over turns and over whatever comes, until the next read. */
static int slice_stays_until_the_next_read(void *arg)
{
    rill_span first, second;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(64 << 10), 0);
    EXPECT_IS(feed("first\nsecond\nthi"), 0);
    EXPECT_IS(rill_stream_read_line(left, &first), 6);
    for (int i = 0; i < 300; i++)
        EXPECT_IS(feed("0123456789012345678901234567890123456789"),
                  0); /* it moves to a larger block */
    EXPECT(rill_span_equal(first, RILL_SPAN("first\n")));
    EXPECT_IS(rill_stream_read_line(left, &second), 7);
    EXPECT_IS(feed("\n"), 0);
    EXPECT(rill_span_equal(second, RILL_SPAN("second\n")));
    EXPECT_IS(rill_stream_read_line(left, &second), 12004);
    EXPECT_IS(rill_stream_buffered(left), 0);
    EXPECT_IS(feed("more"),
              0); /* nothing is left beside the slice: the next octets come elsewhere */
    EXPECT(rill_span_starts(second, RILL_SPAN("thi01234")) && second.at[12003] == '\n');
    return expect_left("more");
}

/* Row 113. */
static int reset_wakes_the_reader_and_is_harmless_after_a_cancelled_one(void *arg)
{
    struct linger reset = { .l_onoff = 1 };
    (void)arg;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        OWNED_PAIR;
        EXPECT_IS(make_tcp(), 0);
        rill_task *reader = kept(rill_create_task(RILL_CORO(read_a_line, NULL)));
        EXPECT_IS(rill_sleep(0), 0);
        if (cancelled)
            EXPECT(rill_cancel(reader, NULL));
        setsockopt(far, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        EXPECT_IS(feed_end(), 0);
        EXPECT_IS(rill_await(reader), cancelled ? -ECANCELED : -ECONNRESET);
    }
    return 0;
}

static size_t exactly_got;

static int read_twenty(void *arg)
{
    char in[20];
    (void)arg;
    return rill_stream_read_exactly(left, in, sizeof in, &exactly_got);
}

static int cancelled_read_exactly_takes_nothing(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(100), 0);
    exactly_got = 77;
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_twenty, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(feed("half of it"), 0);
    EXPECT(rill_cancel(reader, NULL));
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT_IS(exactly_got, 0);
    return expect_left("half of it");
}

static int read_exactly_reads_more_than_the_limit(void *arg)
{
    char in[8];
    size_t got;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(3), 0);
    EXPECT_IS(feed("chunkmore"), 0);
    EXPECT_IS(rill_stream_read_exactly(left, in, 5, &got), 0);
    EXPECT(got == 5 && memcmp(in, "chunk", 5) == 0);
    EXPECT_IS(rill_stream_read(left, in, 8), 4);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(lines_come_one_by_one_and_the_last_may_have_no_newline),
    SCENARIO(read_of_nothing_returns_at_once),
    SCENARIO(line_in_pieces_is_waited_for),
    SCENARIO(line_above_the_limit_is_thrown_away_and_exactly_the_limit_passes),
    SCENARIO(line_that_grows_above_the_limit_while_waited_for_is_thrown_away),
    SCENARIO(separator_beyond_the_limit_leaves_everything),
    SCENARIO(short_separator_is_found_while_a_long_one_could_still_begin),
    SCENARIO(separator_split_over_chunks_is_found),
    SCENARIO(of_several_separators_the_one_that_ends_first_wins),
    SCENARIO(end_before_the_separator_gives_what_was_left),
    SCENARIO_ONCE(slice_stays_until_the_next_read),
    SCENARIO(reset_wakes_the_reader_and_is_harmless_after_a_cancelled_one),
    SCENARIO(cancelled_read_exactly_takes_nothing),
    SCENARIO(read_exactly_reads_more_than_the_limit),
    SCENARIO(peek_shows_without_taking_and_consume_takes),
    SCENARIO(read_exactly_tells_how_far_it_came),
    SCENARIO(second_reader_is_refused),
    SCENARIO(cancelled_read_leaves_the_octets_in_the_stream),
    SCENARIO(cancel_in_the_turn_of_the_octets_leaves_them_in_the_stream),
    SCENARIO(stream_that_is_not_read_stops_receiving_at_its_limit_and_goes_on_later),
    SCENARIO(paused_stream_goes_on_for_a_reader_that_wants_more_than_there_is),
};

int main(void)
{
    return RUN_SCENARIOS("stream_read", scenarios);
}
