/* access.h - the access record of one request. */
#pragma once

#include "server/conn/conn.h"

/* The head of the request at work is complete. */
void access_begin(struct conn *conn);

/* Write the record that access_begin began. */
void access_record(const struct conn *conn, int status, int result);

/* Its answer is out, or will never be: `status` 0 if there was none, `result` of sending it. */
static inline void access_end(const struct conn *conn, int status, int result)
{
    if (conn->begun != 0)
        access_record(conn, status, result);
}
