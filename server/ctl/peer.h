/* peer.h - what a descriptor of another process is connected to, or which file it is. */
#pragma once

#include <rill/text.h>

#include <sys/types.h>

struct peers {
    pid_t pid;
    int pidfd; /* -1: not open */
};

enum peer_kind { PEER_UNKNOWN, PEER_REMOTE, PEER_LOCAL, PEER_FILE, PEER_PROCESS };

void peers_open(struct peers *peers, pid_t pid);
void peers_close(struct peers *peers);

/* What descriptor `fd` is: a socket connected to `text` (remote) or bound to it (local), a process of that
 * number and program, or a file of that name. Appends nothing if it is not known. */
enum peer_kind peers_tell(const struct peers *peers, int fd, rill_text *text);
