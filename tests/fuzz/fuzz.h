/* fuzz.h - what every fuzz target shares: its entry point and its way to report a broken promise. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Defined by each target; called by libFuzzer, or by replay.c for each file of a corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition) ((condition) ? (void)0 : promise_broken(__FILE__, __LINE__, #condition))

__attribute__((noreturn, unused)) static void promise_broken(const char *file, int line,
                                                             const char *condition)
{
    fprintf(stderr, "%s:%d: promise broken: %s\n", file, line, condition);
    abort();
}
