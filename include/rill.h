/* rill.h - asyncio for C on io_uring: everything, and the conventions that hold everywhere.
 *
 * COROUTINES. A coroutine is a plain function `int fn(void *arg)` on a small stack of its own. It may
 * wait anywhere inside, also in functions that it calls. RILL_CORO(fn, arg) is a coroutine object; it
 * runs when a task is made of it, or when it is the argument of rill_run.
 *
 * SUSPENSION. Only a call marked RILL_SUSPENDS lets other tasks run, so data that is touched between two
 * such calls needs no lock. After one, read shared state again. A buffer that is handed to such a call
 * belongs to the kernel until it returns. Callbacks run on the loop's own stack and must not suspend.
 *
 * ERRORS are values: 0 or more is success, less is -errno. Outputs come last and are set on success only.
 *   -ECANCELED  this task, or what it awaited, was cancelled: clean up and hand it on
 *   -ETIME      a deadline of ours passed (-ETIMEDOUT: the peer fell silent)
 *   -ESHUTDOWN  closed by us            -EINPROGRESS  the result is not there yet
 *   -EALREADY   done before             -EDEADLK      awaiting oneself
 *   -EXDEV      object of another loop  -ESRCH        no loop runs here, or no task
 *   -EBUSY      already in use          -ENODATA      the stream ended before
 * The mark RILL_SUSPENDS makes ignoring a result a warning: a dropped result is a lost cancel.
 *
 * CANCELLING is a request, delivered by the next call that suspends as -ECANCELED; nothing is unwound.
 *
 * OWNERSHIP. A call borrows its arguments unless it says that it takes or gives. Futures, tasks and
 * gathers are counted: who makes one holds a reference, rill_join and rill_unref drop it. A running task
 * is kept by its loop. Scopes, groups, locks and events lie in the caller's memory, valid when zeroed.
 *
 * THREADS. A loop and its objects belong to the thread that runs it. rill_call_soon_threadsafe is the
 * call for other threads. Make rings after fork: a child has no running loop.
 *
 * UNITS. Time is rill_time, nanoseconds: RILL_MS(5), RILL_SEC(2), RILL_FOREVER. Sizes are octets.
 *
 * asyncio's words and ours: create_task rill_create_task, await rill_await, sleep rill_sleep, gather
 * rill_gather, wait rill_wait, as_completed rill_as_completed_*, wait_for rill_wait_for, timeout
 * rill_timeout, shield rill_shield, TaskGroup rill_group_*, run rill_run, call_soon rill_call_soon,
 * Lock, Event, Condition, Semaphore and Barrier rill_lock_* and so on, Queue rill_queue_*,
 * StreamReader and StreamWriter rill_stream_*. */
#pragma once

#include <rill/base.h>
#include <rill/client.h>
#include <rill/dir.h>
#include <rill/file.h>
#include <rill/future.h>
#include <rill/gen.h>
#include <rill/group.h>
#include <rill/http.h>
#include <rill/inspect.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/net.h>
#include <rill/queue.h>
#include <rill/stream.h>
#include <rill/sync.h>
#include <rill/task.h>
#include <rill/text.h>
#include <rill/time.h>
#include <rill/timeout.h>
#include <rill/wait.h>
