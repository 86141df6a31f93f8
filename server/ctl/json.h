/* json.h - the answers of rillctl for programs. */
#pragma once

#include "server/ctl/snapshot.h"

#include <jansson.h>

enum json_answer { JSON_TASKS, JSON_TREE, JSON_USES, JSON_BACKTRACES };

/* One process; `chosen` as in show.h. A new reference, or NULL without memory. */
json_t *json_process(struct snapshot *snapshot, enum json_answer answer, const char *chosen);

/* `text` as a JSON string, whatever octets it has. */
json_t *json_text(const char *text);
