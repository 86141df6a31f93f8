/* told.h - what a task does and waits for, in words. */
#pragma once

#include "server/ctl/peer.h"
#include "server/ctl/snapshot.h"

/* "runs", "waits" and so on. */
const char *told_state(const struct snapshot_loop *loop, const struct snapshot_task *task);

/* What `task` waits for, without its deadline: "recv on fd 7 with 10.0.0.1:80", "task 'b'". Names are as the
 * process has them. */
void told_wait(const struct peers *peers, const struct snapshot_loop *loop,
               const struct snapshot_task *task, rill_text *text);

/* The same with its deadline, or what else it does. */
void told_task(const struct peers *peers, const struct snapshot *snapshot,
               const struct snapshot_loop *loop, const struct snapshot_task *task, rill_text *text);

/* Whether `loop` is in a step that takes too long. */
bool told_is_stuck(const struct snapshot_loop *loop);

/* The peer of what `task` waits for, or the file; "" if there is none, or it is not known. */
enum peer_kind told_peer(const struct peers *peers, const struct snapshot_loop *loop,
                         const struct snapshot_task *task, rill_text *text);
