/* uapi.h - kernel constants newer than liburing 2.3, each with its kernel version.
 *
 * Delete each as soon as the oldest liburing we build with has it. */
#pragma once

#include <liburing.h>

#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7) /* kernel 6.15, liburing 2.10 */
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17) /* kernel 6.15, liburing 2.10 */
#endif

/* The kernel's own code for "a signal came, try again" and its kind. It should not leave the kernel, but
 * does where a thread of the ring is stopped while it opens a file (6.18). */
enum { RILL__ERESTARTSYS = 512 };

enum { RILL__URING_FTRUNCATE = 55 }; /* IORING_OP_FTRUNCATE: kernel 6.9, liburing 2.6 */
