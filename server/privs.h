/* privs.h - who the workers are: user, groups, limits.
 *
 * The master looks the user up once, while it still sees the user database; each worker then becomes
 * that user. Every return value counts: a worker that kept a right does not serve. */
#pragma once

#include <sys/types.h>

#include <rill/text.h>

enum { PRIVS_GROUPS_MAX = 64 };

/* Whom the workers become. */
struct privs {
    bool change; /* false: not started as root, so everybody stays who they are */
    uid_t uid;
    gid_t gid;
    int group_count;
    gid_t groups[PRIVS_GROUPS_MAX];
    char name[64];
};

/* Look up `user` (empty: rilld, else nobody) and `group` (empty: the user's).
 * Returns: 0; -ENOENT, -EPERM (it is root), -E2BIG (groups) and one line in `why`. */
int privs_find(rill_span user, rill_span group, struct privs *ret_privs, rill_text *why);

/* Become that user for good: groups, ids, capabilities, no new privileges.
 * Returns: 0; -errno and one line in `why`, then the process must end. */
int privs_drop(const struct privs *privs, rill_text *why);

/* What this process may use, after raising what it may raise. */
struct privs_limits {
    uint64_t descriptors, memlock; /* UINT64_MAX: no limit */
};

/* Raise descriptors and locked memory to their hard limits, as far as that is allowed.
 * Returns: 0 and what they are now; -errno. */
int privs_raise_limits(struct privs_limits *ret_limits);
