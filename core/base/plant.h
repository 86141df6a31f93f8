/* plant.h - bugs that are planted on purpose, to see whether the simulator's stories find them.
 *
 * Only the library that tests/sim/plants.sh uses is built with RILL_PLANT; the environment variable of the
 * same name says which one is live in it. Everywhere else PLANTED is 0 and leaves nothing behind.
 *
 *    1 skip one re-arm                     2 return before the final completion of a cancelled op
 *    3 ignore MORE                         4 drop a result when cancelled
 *    5 wake one waiter too few             6 hand a permit to a cancelled waiter
 *    7 return a provided buffer twice      8 miss a short send's tail
 *    9 reuse a slot without a new generation     10 forget a timer on cancel
 *   11 close a descriptor twice           12 leave a group before the last child */
#pragma once

#ifdef RILL_PLANT
extern int rill__plant;
#define PLANTED(number) (rill__plant == (number))
#else
#define PLANTED(number) 0
#endif
