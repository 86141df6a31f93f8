/* regs.h - the registers that a walk over a stack begins with. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum { REGS_MOST = 33 };

/* By their numbers in DWARF: 0-16 on x86_64, 0-31 on aarch64. */
struct regs {
    uint64_t numbered[REGS_MOST];
    uint64_t pc, sp;
};

/* The registers of a task that is parked, from the words at its saved stack pointer; see the switch in
 * core/coro. `words` are REGS_SAVED. */
#if defined(__x86_64__)
enum { REGS_SAVED = 7, REGS_NUMBERED = 17 };
#else
enum { REGS_SAVED = 20, REGS_NUMBERED = 32 };
#endif
void regs_of_parked(const uint64_t *words, uint64_t sp, struct regs *ret_regs);

/* Stop a thread and take its registers; it stays stopped until regs_release.
 * Returns: 0; -errno; -ETIME (it does not stop). */
int regs_of_thread(pid_t thread, struct regs *ret_regs);
void regs_release(pid_t thread);
