#ifndef SCOUT_RANDOM_H
#define SCOUT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Numbers that nobody can predict who has seen any of them: SipHash-2-4 (Aumasson, Bernstein 2012) of a counter, under a key from the
 * kernel. A generator such as xorshift would show its state in what it yields.
 */
struct random {
  uint64_t key[2];
  uint64_t count;
};

/* Returns 0 or an errno. */
int random_start(struct random *random);

uint64_t random_next(struct random *random);

/* A number that only the holder of the key can tell from a random one, and always the same for the same `value`. */
uint64_t random_veil(const struct random *random, uint64_t value);

#endif
