/* filereply.h - the answers that one file can give: whole, not modified, a part.
 *
 * Conditions and ranges are looked at here (server/http/RULES.md, rules 81 to 100); which file a path
 * leads to is the files handler's business, and how long it is kept that of the cache. */
#pragma once

#include "server/conn/request.h"
#include "server/filecache.h"

/* An open file and what its answers say. */
struct filereply_source {
    uint64_t owner; /* and path: what the cache finds it by */
    rill_span path;
    int fd;
    const struct stat *stat;
    rill_span type;                    /* Content-Type */
    const struct reply_fields *fields; /* of the route */
};

/* Make the file, with its whole answers, as of `now` in seconds.
 * Returns: 0 and the file, with one reference, not in the cache; -ENOMEM.
 * Owns: takes source->fd in any case. */
int filereply_make(const struct filereply_source *source, int64_t now, struct file **ret_file);

/* Answer a request with a file, as its conditions and its range ask. `fields` as for the file.
 * Returns: 0 and the reply, with a reference of its own to the file; -ENOMEM. */
int filereply_answer(const struct request *request, struct file *file,
                     const struct reply_fields *fields, struct reply *ret_reply);
