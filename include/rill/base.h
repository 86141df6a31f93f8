/* base.h - what every public header builds on: marks, version, error names. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RILL_VERSION_MAJOR 0
#define RILL_VERSION_MINOR 1
#define RILL_VERSION_PATCH 0

/* A function of the door: visible outside the library. */
#define RILL_API __attribute__((visibility("default")))

/* The call may suspend the running task. Its result must not be dropped: a dropped result is a
 * lost cancel. Every such call is a cancellation point unless its doc says that it is shielded. */
#define RILL_SUSPENDS __attribute__((warn_unused_result))

/* A printf-like function: `at` (the format) and `first` count the parameters from 1. */
#define RILL_PRINTF(at, first) __attribute__((format(printf, at, first)))

#ifdef __cplusplus
extern "C" {
#endif

/** The text for a result code, as strerror has it, with rill's own meaning where rill has one.
 *  Args: `code` is a result, negative or positive; 0 and unknown codes have a text as well.
 *  Returns: a text that lives for ever, never NULL.   Thread: any.
 *  Like: strerror(3).   Since: 0.1 */
RILL_API const char *rill_strerror(int code);

/** The symbolic name of a result code: "ECANCELED" for -ECANCELED.
 *  Returns: a text that lives for ever; "OK" for 0 and above, "E?" for an unknown code.
 *  Thread: any.   Like: errno.errorcode.   Since: 0.1 */
RILL_API const char *rill_errname(int code);

/** The libraries that librill uses, as they are loaded: a line for each, `NAME VERSION`. Of liburing it is the
 *  version that librill was built with.
 *  Returns: a text that lives for ever.   Thread: any.   Since: 0.1 */
RILL_API const char *rill_library_versions(void);

/** Keep the first error of two results: for clean-up that can fail too.
 *  Returns: `first` if it is an error, else `second`.   Thread: any.   Since: 0.1 */
static inline int rill_first_error(int first, int second)
{
    return first < 0 ? first : second;
}

#ifdef __cplusplus
}
#endif
