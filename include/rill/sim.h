/* sim.h - run a program in the simulator: a seed, a virtual clock, a network and faults made up from it.
 *
 * A loop with `rill_loop_opts.sim` set has no ring: its operations, its clock and its randomness come from
 * a simulator, and the seed decides everything that a kernel or a network might have decided otherwise:
 * which completion comes first, how many come at once, how far a send reached, when octets arrive. The
 * same program with the same seed does the same, step by step, whatever the compiler.
 *
 *     uint64_t hash;
 *     rill_sim_opts sim = { .seed = 17, .shuffle = true, .ret_hash = &hash };
 *     rill_loop_opts opts = { .sim = &sim };
 *     int rc = rill_run_with(RILL_CORO(start, NULL), &opts);
 *
 * TIME never passes by itself: when nothing is ready the clock jumps to the next event, so an hour of
 * sleep costs nothing. Each thread has one virtual clock, which goes on from one simulated loop to the
 * next. A step that only looks at the clock, and turns that only give up their turn, let a microsecond
 * pass now and then, so that busy waits end.
 *
 * SIMULATED are, of what is made through rill: stream sockets (octets in a pipe with latency, bounded room,
 * half-close and reset), pairs of streams, datagram sockets (whole datagrams, each with a latency of its own;
 * in some worlds later ones overtake; a full receiver loses what arrives), the clock and randomness. Their
 * numbers are those of real sockets that nobody else uses. All hosts are this machine, and a server and its
 * clients are coroutines in the same world. Who connects to a port that nobody has is refused at once; what is
 * sent to the addresses kept for documentation (192.0.2.0/24, 2001:db8::/32) is never answered.
 *
 * REAL is all else, by the real call without waiting, at a virtual time: files and directories, pipes,
 * processes, threads, and sockets that somebody else made. The loop really waits only when nothing but those
 * can bring anything.
 *
 * SIGNALS are real as well, but the loop learns of one at a moment of the seed. What a program sends itself
 * (raise, or kill from its only thread that takes it) so gives the same run. With `rill_sim_opts.signal` the
 * world sends one: an end by SIGTERM or Ctrl-C in the middle of anything, at another point with each seed.
 *
 * A DEADLOCK (nothing is ready, no timer, no event, nobody outside who could come) ends the run with
 * -EDEADLK, that of rill_run_forever, too: a server that waits for connections is stuck when all who could
 * connect are, and so is who waits for datagrams after one was lost in here. Threads of executors without a
 * job are nobody, all others may come. What is stuck is told to the error handler; the last steps, the command
 * that repeats them and all tasks with what they wait for go to standard error.
 *
 * THE ENVIRONMENT. In builds with RILL_CHECK_SLOW, as the preset `debug` makes them, `RILL_SIM=17` puts every
 * loop of a program on the simulator with that seed; `RILL_SIM=17,shuffle,faults` with more of it,
 * `RILL_SIM=17,sigint` or `,sigterm` with that signal to each loop. Other builds ignore it. Such loops can be
 * reached from outside: what they listen at is a real socket as well. `RILL_SIM_TRACE=1` prints the hash of each
 * loop at its end to standard error, `RILL_SIM_TRACE=2` each step too: two runs differ where their lines do. */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

/* Classes of faults. Without any the simulator does only what a healthy kernel may do at any time. Each
 * seed draws which of the classes that are allowed are on, and how often they strike. With
 * `rill_sim_opts.faults_end` they stop at a point of the virtual time: a program can show that it comes to
 * its end, soon, once the world is healthy again. */
enum {
    RILL_SIM_SHORT = 1, /* results shorter than what was there, or had room */
    RILL_SIM_EINTR = 2, /* operations interrupted */
    RILL_SIM_ERRORS =
        4, /* no memory, no descriptors, no space, I/O errors, by the kind of operation */
    RILL_SIM_RESET = 8,     /* connections reset in the middle */
    RILL_SIM_CANCELED = 16, /* operations that end with ECANCELED though nobody asked */
    RILL_SIM_LOSS = 32,     /* datagrams lost on their way */
    RILL_SIM_DOUBLE = 64,   /* datagrams that arrive twice */
    RILL_SIM_ALL = 127,
};

/* The network. All zero: drawn from the seed. */
typedef struct rill_sim_net {
    rill_time latency_min, latency_max; /* from send to arrival; Unix sockets have none */
    uint32_t capacity;                  /* octets between two ends, 1 to 16 MiB */
    bool outside; /* listening sockets are real as well, connects that find nobody go outside */
} rill_sim_net;

/* All zero: seed 0. Must live until the loop is closed. */
typedef struct rill_sim_opts {
    uint64_t seed;
    bool shuffle;         /* what is ready in a turn runs in an order of the seed */
    unsigned faults;      /* classes that are allowed: RILL_SIM_* */
    rill_time faults_end; /* none strikes so long after the loop's begin; 0: at any time */
    int signal; /* sent once, at a moment of the seed or when it is caught after that; 0: none */
    const rill_sim_net *net; /* NULL: drawn from the seed */
    uint64_t *ret_hash;      /* NULL, or where the hash is left when the loop is closed */
} rill_sim_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** What happened on `loop` so far, in one number: every step, submit, cancel, completion, look at the clock
 *  and draw goes into it, and nothing that depends on addresses, descriptors or the compiler.
 *  Returns: the hash; 0 if the loop has not run yet, or is not simulated.   Since: 0.1 */
RILL_API uint64_t rill_sim_hash(const rill_loop *loop);

/** Print the last steps of the simulated loop that runs, why, the command that repeats them, and all tasks to
 *  standard error: for programs that find a broken invariant.
 *  Returns: nothing; does nothing if the running loop is not simulated.   Since: 0.1 */
RILL_API void rill_sim_report(const char *why);

#ifdef __cplusplus
}
#endif
