/* vector.h - request vectors: the octets of a message and what must come of it, read from text.
 *
 * A file holds vectors one after the other; `#` begins a comment line. A line is a word and its text:
 *
 *     vector NAME       a new vector; the name says what it shows
 *     line TEXT         the message goes on with TEXT and CRLF
 *     send TEXT         the message goes on with TEXT
 *     repeat N TEXT     the message goes on with TEXT, N times
 *     end               behind the message the client ends its sending
 *     status N          an answer with this status; the lines below are about this answer
 *     head              it is an answer to HEAD: no body follows it
 *     has NAME: VALUE   it has this field with exactly this value
 *     lacks NAME        it has no such field
 *     body TEXT         its body is exactly this
 *     rule N            the access log says that this rule refused the message
 *     keep              after the answers the connection takes another request
 *     close             after the answers the connection ends in order, and nothing else comes
 *     cut               the same, but it may be reset as well
 *
 * In TEXT stand \r \n \t \\ \s (a space, where one would not be seen) and \xNN for octets. */
#pragma once

#include <rill/text.h>

enum { VECTORS_MAX = 512, EXPECTED_MAX = 8, HAS_MAX = 6 };

struct expected {
    int status;
    bool head, has_body;
    rill_span body;
    size_t has_count;

    struct expected_field {
        const char *name;
        const char *value; /* NULL: the answer lacks it */
    } has[HAS_MAX];
};

struct vector {
    char name[128]; /* of the file without .txt, a dot, and the vector's own */
    const char *file;
    unsigned line; /* where it begins */
    rill_span message;
    bool end, keep, close, cut;
    unsigned rule;
    size_t answer_count;
    struct expected answers[EXPECTED_MAX];
};

/* Read all vectors of a file behind those in `vectors`; what is wrong with it is printed.
 * Returns: 0; -errno. The memory of the vectors lives as long as the program. */
int vectors_read(const char *path, struct vector *vectors, size_t *count);
