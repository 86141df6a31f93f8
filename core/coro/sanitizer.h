/* sanitizer.h - which sanitizer this is built for, and their headers; both compilers say it differently. */
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#if defined(RILL_CHECK_SLOW) && !defined(WITH_ASAN) && !defined(WITH_TSAN)
#if __has_include(<valgrind/memcheck.h>)
#define WITH_VALGRIND 1
#include <valgrind/memcheck.h>
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif
