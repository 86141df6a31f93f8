/* record.c - who asked a task to cancel, where, why and when: the last four requests.
 *
 * The memory comes with a task's first request and grows once, with the second. Without memory a
 * record is lost, and with the first one its text too; the request itself is not. */
#include "core/task/task.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { records_max = 4 };

struct rill__record {
    rill_time when;
    const void *where;
    struct rill__detail *why; /* a reference; NULL: no text */
    uint32_t task;
    uint8_t by; /* rill_cancel_by */
    char name[32];
};

struct rill__records {
    uint32_t made, room; /* the newest lies at (made - 1) % room */
    struct rill__record last[];
};

static _Thread_local const struct rill__asker *asking;

const struct rill__asker *rill__ask_begin(const struct rill__asker *asker)
{
    const struct rill__asker *before = asking;
    asking = asker;
    return before;
}

void rill__ask_end(const struct rill__asker *before)
{
    asking = before;
}

static struct rill__record *record_at(const struct rill__task *task, unsigned back)
{
    struct rill__records *records = task->records;
    if (records == NULL || back >= records->made || back >= records->room)
        return NULL;
    return &records->last[(records->made - 1 - back) % records->room];
}

/* The place for one more: the oldest goes if there is no memory, or there are four. */
static struct rill__record *make_room(struct rill__task *task)
{
    struct rill__records *records = task->records;
    uint32_t room = records == NULL ? 1 : records_max;
    if (records == NULL || (records->made == 1 && records->room == 1)) {
        struct rill__records *moved =
            rill_resize(records, sizeof *records + room * sizeof *records->last);
        if (moved == NULL && records == NULL)
            return NULL;
        if (moved != NULL) {
            if (records == NULL)
                moved->made = 0;
            moved->room = room;
            memset(&moved->last[moved->made], 0, (room - moved->made) * sizeof *moved->last);
            task->records = records = moved;
        }
    }
    struct rill__record *record = &records->last[records->made++ % records->room];
    rill__detail_unref(record->why);
    return record;
}

static void identify(struct rill__record *record)
{
    const struct rill__task *who = rill__task_running();
    if (asking != NULL && asking->task != NULL)
        who = asking->task;
    record->by = (uint8_t)(asking != NULL ? asking->by : RILL_BY_TASK);
    if (record->by == RILL_BY_TASK && who == NULL)
        record->by = RILL_BY_CALL;
    if (record->by == RILL_BY_LOOP || record->by == RILL_BY_SIGNAL)
        who = NULL;
    record->where = asking != NULL ? asking->where : NULL;
    record->task = who != NULL ? who->coro.number : 0;
    record->name[0] = 0;
    if (who != NULL && who->coro.title != NULL)
        snprintf(record->name, sizeof record->name, "%s", who->coro.title);
}

void rill__record(struct rill__task *task, struct rill__detail *why)
{
    const struct rill__record *from = asking != NULL ? asking->as : NULL;
    struct rill__record copy = { 0 };
    if (from != NULL)
        copy = *from; /* it may move */
    struct rill__record *record = make_room(task);
    if (record == NULL) {
        rill__detail_unref(why);
        return;
    }
    *record = copy;
    if (from == NULL)
        identify(record);
    record->when = rill__loop_now(task->future.loop);
    record->why = why;
}

const struct rill__record *rill__record_last(const struct rill__task *task)
{
    return record_at(task, 0);
}

struct rill__detail *rill__record_why(const struct rill__task *task)
{
    const struct rill__record *record = record_at(task, 0);
    return record != NULL ? record->why : NULL;
}

void rill__records_free(struct rill__task *task)
{
    struct rill__record *record;
    for (unsigned i = 0; i < records_max && (record = record_at(task, i)) != NULL; i++)
        rill__detail_unref(record->why);
    rill_free(task->records);
}

int rill_cancel_record(const rill_task *future, unsigned index, rill_cancel_rec *ret_rec)
{
    const struct rill__record *record = NULL;
    if (future->kind == RILL__TASK)
        record = record_at(container_of(future, struct rill__task, future), index);
    if (record == NULL)
        return -ENOENT;
    *ret_rec = (rill_cancel_rec){
        .by = (rill_cancel_by)record->by,
        .task = record->task,
        .where = record->where,
        .why = record->why != NULL ? record->why->err.msg : NULL,
        .when = record->when,
    };
    if (record->name[0] != 0)
        memcpy(ret_rec->name, record->name, sizeof ret_rec->name);
    else if (record->task != 0)
        snprintf(ret_rec->name, sizeof ret_rec->name, "Task-%u", record->task);
    return 0;
}
