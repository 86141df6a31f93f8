/* privs.c - who the workers are: user, groups, limits.
 *
 * Order of giving up: groups, group, user, then capabilities (none are left by the change of user,
 * but a worker that was never root may have been given some), then no new privileges. */
#include "server/privs.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct passwd *find_user(rill_span user)
{
    if (user.size > 0)
        return getpwnam(user.at);
    const struct passwd *found = getpwnam("rilld");
    return found != NULL ? found : getpwnam("nobody");
}

int privs_find(rill_span user, rill_span group, struct privs *ret_privs, rill_text *why)
{
    struct privs privs = { .change = geteuid() == 0 };
    if (!privs.change) {
        *ret_privs = privs;
        return 0;
    }
    const struct passwd *found = find_user(user);
    if (found == NULL) {
        rill_text_fmt(why, "there is no user \"%s\": make it, or name another as `user`",
                      user.size > 0 ? user.at : "nobody");
        return -ENOENT;
    }
    if (found->pw_uid == 0) {
        rill_text_fmt(why, "user \"%s\" is root, and workers never are: name another as `user`",
                      found->pw_name);
        return -EPERM;
    }
    privs.uid = found->pw_uid;
    privs.gid = found->pw_gid;
    snprintf(privs.name, sizeof privs.name, "%s", found->pw_name);
    if (group.size > 0) {
        const struct group *entry = getgrnam(group.at);
        if (entry == NULL) {
            rill_text_fmt(why, "there is no group \"%s\": make it, or name another in `user`",
                          group.at);
            return -ENOENT;
        }
        privs.gid = entry->gr_gid;
    }
    privs.group_count = PRIVS_GROUPS_MAX;
    if (getgrouplist(found->pw_name, privs.gid, privs.groups, &privs.group_count) < 0) {
        rill_text_fmt(why, "user \"%s\" is in more than %d groups: name another as `user`",
                      found->pw_name, PRIVS_GROUPS_MAX);
        return -E2BIG;
    }
    *ret_privs = privs;
    return 0;
}

static int failed(rill_text *why, const char *what)
{
    int rc = -errno;
    rill_text_fmt(why, "cannot %s: %s", what, rill_strerror(rc));
    return rc;
}

/* Root of a container may lack the right, or the ids. */
static int id_failed(rill_text *why, const char *what)
{
    int rc = failed(why, what);
    rill_text_add(
        why,
        RILL_SPAN(". Start rilld with CAP_SETUID and CAP_SETGID where the ids of `user` exist, "
                  "or not as root"));
    return rc;
}

static int change_ids(const struct privs *privs, rill_text *why)
{
    uid_t real, effective, saved;
    gid_t real_gid, effective_gid, saved_gid;
    if (setgroups((size_t)privs->group_count, privs->groups) < 0)
        return id_failed(why, "set the groups");
    if (setresgid(privs->gid, privs->gid, privs->gid) < 0)
        return id_failed(why, "change the group");
    if (setresuid(privs->uid, privs->uid, privs->uid) < 0)
        return id_failed(why, "change the user");
    if (getresuid(&real, &effective, &saved) < 0 ||
        getresgid(&real_gid, &effective_gid, &saved_gid) < 0)
        return failed(why, "read the ids back");
    if (real != privs->uid || effective != privs->uid || saved != privs->uid ||
        real_gid != privs->gid || effective_gid != privs->gid || saved_gid != privs->gid) {
        errno = EPERM;
        return failed(why, "change the ids");
    }
    return 0;
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &head, sets) < 0)
        return true;
    return (sets[0].permitted | sets[1].permitted | sets[0].inheritable | sets[1].inheritable) != 0;
}

/* Empty all sets of this process. Empty already is fine, also under a system call filter that does
 * not let anybody change them, as the one of the service unit. */
static int drop_capabilities(rill_text *why)
{
    if (!has_capabilities())
        return 0;
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 } };
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return failed(why, "clear the ambient capabilities");
    if (syscall(SYS_capset, &head, none) < 0)
        return failed(why, "drop the capabilities");
    return 0;
}

int privs_drop(const struct privs *privs, rill_text *why)
{
    int rc = 0;
    if (privs->change)
        rc = change_ids(privs, why);
    if (rc == 0)
        rc = drop_capabilities(why);
    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = failed(why, "refuse new privileges");
    return rc;
}

/* Where raising is forbidden (a filter of system calls, a limit above fs.nr_open) the limit stays. */
static int raise_limit(int resource, uint64_t *ret_value)
{
    struct rlimit limit, raised;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return -errno;
    raised = (struct rlimit){ limit.rlim_max, limit.rlim_max };
    if (limit.rlim_cur != limit.rlim_max && setrlimit((__rlimit_resource_t)resource, &raised) == 0)
        limit = raised;
    *ret_value = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    return 0;
}

int privs_raise_limits(struct privs_limits *ret_limits)
{
    struct privs_limits limits = { 0 };
    int rc = raise_limit(RLIMIT_NOFILE, &limits.descriptors);
    if (rc == 0)
        rc = raise_limit(RLIMIT_MEMLOCK, &limits.memlock);
    if (rc == 0)
        *ret_limits = limits;
    return rc;
}
