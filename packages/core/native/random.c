#include "random.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t word, unsigned by)
{
  return word << by | word >> (64 - by);
}

static void mix(uint64_t v[4])
{
  v[0] += v[1];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[0] = rotate(v[0], 32);
  v[2] += v[3];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[2] = rotate(v[2], 32);
}

/* Of a message of 8 bytes; the last block holds its length (§2.2). */
static uint64_t siphash(const uint64_t key[2], uint64_t message)
{
  const uint64_t blocks[] = {message, (uint64_t)sizeof message << 56};
  uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                   key[1] ^ 0x7465646279746573};

  for (int i = 0; i < 2; i++) {
    v[3] ^= blocks[i];
    mix(v);
    mix(v);
    v[0] ^= blocks[i];
  }
  v[2] ^= 0xff;
  for (int i = 0; i < 4; i++)
    mix(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int random_start(struct random *random)
{
  random->count = 0;
  return getrandom(random->key, sizeof random->key, 0) == (ssize_t)sizeof random->key ? 0 : errno;
}

uint64_t random_next(struct random *random)
{
  /* Apart from what random_veil hashes, which is below 2^63. */
  return siphash(random->key, random->count++ | (uint64_t)1 << 63);
}

uint64_t random_veil(const struct random *random, uint64_t value)
{
  return siphash(random->key, value & ~((uint64_t)1 << 63));
}
