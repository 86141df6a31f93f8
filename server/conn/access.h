/* access.h - the access record of one request. */
#pragma once

#include <rill/time.h>

struct conn;

struct access {
    rill_time wall, begun; /* 0: no record is wanted */
};

/* The head of the request at work is complete. */
void access_begin(struct access *access);

/* Write the record that access_begin began. */
void access_record(const struct access *access, const struct conn *conn, int status, int result);

/* Its answer is out, or will never be: `status` 0 if there was none, `result` of sending it. */
static inline void access_end(const struct access *access, const struct conn *conn, int status,
                              int result)
{
    if (access->begun != 0)
        access_record(access, conn, status, result);
}
