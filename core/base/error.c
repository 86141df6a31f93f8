/* error.c - error names and texts. */
#include <rill/base.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Codes that mean something of their own in rill; the table of rill.h, in one line each. */
static const struct {
    int code;
    const char *text;
} own[] = {
    { ECANCELED, "cancelled" },
    { ETIME, "deadline passed" },
    { EINPROGRESS, "not done yet" },
    { EALREADY, "already done" },
    { ESHUTDOWN, "closed by us" },
    { EDEADLK, "a task cannot await itself" },
    { EXDEV, "object of another loop" },
    { ESRCH, "no running loop or no current task" },
    { ENODATA, "end of stream" },
    { EMSGSIZE, "over the size limit" },
    { EINTR, "interrupted" },
    { EBUSY, "already in use" },
};

/* That of a negative code; the lowest one has none, and no text either. */
static int positive_of(int code)
{
    return code == INT_MIN ? INT_MAX : -code;
}

const char *rill_strerror(int code)
{
    int positive = code < 0 ? positive_of(code) : code;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].code == positive)
            return own[i].text;
    const char *text = strerrordesc_np(positive);
    return text != NULL ? text : "unknown error";
}

const char *rill_errname(int code)
{
    if (code >= 0)
        return "OK";
    const char *name = strerrorname_np(positive_of(code));
    return name != NULL ? name : "E?";
}
