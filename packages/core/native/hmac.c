#include "hmac.h"

#include <string.h>

enum { BLOCK = 64 };

/* FIPS 180-4 §4.2.2 and §5.3.3. */
static const uint32_t constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t initial[8] = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t word, unsigned by)
{
  return word >> by | word << (32 - by);
}

static uint32_t read_word(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_word(uint8_t *bytes, uint32_t word)
{
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* FIPS 180-4 §6.2.2; the names are the standard's. */
static void compress(uint32_t state[8], const uint8_t block[BLOCK])
{
  uint32_t w[64];
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

  for (int t = 0; t < 16; t++)
    w[t] = read_word(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;

    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  for (int t = 0; t < 64; t++) {
    uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const uint32_t after[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++)
    state[i] += after[i];
}

/* Adds the last bytes of a message, before which were so many others, with the padding (FIPS 180-4 §5.1.1). */
static void finish(uint32_t state[8], const uint8_t *bytes, size_t length, size_t before, uint8_t digest[HMAC_BYTES])
{
  uint64_t bits = (uint64_t)(before + length) * 8;
  uint8_t block[BLOCK] = {0};

  for (; length >= BLOCK; length -= BLOCK, bytes += BLOCK)
    compress(state, bytes);
  memcpy(block, bytes, length);
  block[length] = 0x80;
  if (length >= BLOCK - 8) {
    compress(state, block);
    memset(block, 0, sizeof block);
  }
  write_word(block + BLOCK - 8, (uint32_t)(bits >> 32));
  write_word(block + BLOCK - 4, (uint32_t)bits);
  compress(state, block);
  for (int i = 0; i < 8; i++)
    write_word(digest + 4 * i, state[i]);
}

static void digest_of(const uint8_t *bytes, size_t length, uint8_t digest[HMAC_BYTES])
{
  uint32_t state[8];

  memcpy(state, initial, sizeof state);
  finish(state, bytes, length, 0, digest);
}

/* RFC 2104 §2. */
void hmac_key_set(struct hmac_key *key, const uint8_t *bytes, size_t length)
{
  uint8_t block[BLOCK] = {0};

  key->is_empty = length == 0;
  if (length > BLOCK)
    digest_of(bytes, length, block);
  else if (length > 0)
    memcpy(block, bytes, length);
  for (int i = 0; i < BLOCK; i++)
    block[i] ^= 0x36;
  memcpy(key->inner, initial, sizeof initial);
  compress(key->inner, block);
  for (int i = 0; i < BLOCK; i++)
    block[i] ^= 0x36 ^ 0x5c;
  memcpy(key->outer, initial, sizeof initial);
  compress(key->outer, block);
}

void hmac_tag(const struct hmac_key *key, const uint8_t *message, size_t length, uint8_t tag[HMAC_BYTES])
{
  uint8_t digest[HMAC_BYTES];
  uint32_t state[8];

  memcpy(state, key->inner, sizeof state);
  finish(state, message, length, BLOCK, digest);
  memcpy(state, key->outer, sizeof state);
  finish(state, digest, sizeof digest, BLOCK, tag);
}
