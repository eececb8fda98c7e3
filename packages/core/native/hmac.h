#ifndef SCOUT_HMAC_H
#define SCOUT_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4), with the key's share of the work done once. */
struct hmac_key {
  bool is_empty;
  uint32_t inner[8];
  uint32_t outer[8];
};

enum { HMAC_BYTES = 32 };

void hmac_key_set(struct hmac_key *key, const uint8_t *bytes, size_t length);

void hmac_tag(const struct hmac_key *key, const uint8_t *message, size_t length, uint8_t tag[HMAC_BYTES]);

#endif
