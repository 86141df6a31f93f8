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

enum { RILL__URING_FTRUNCATE = 55 }; /* IORING_OP_FTRUNCATE: kernel 6.9, liburing 2.6 */
