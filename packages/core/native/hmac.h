#ifndef SCOUT_HMAC_H
#define SCOUT_HMAC_H

#include <stddef.h>
#include <stdint.h>

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4) of short messages, with the key's share of the work done once. */
struct hmac_key {
  uint32_t inner[8];
  uint32_t outer[8];
};

enum {
  HMAC_BYTES = 32,
  HMAC_MESSAGE_MOST = 55, /* what fits one block of SHA-256 with its padding */
};

void hmac_key_set(struct hmac_key *key, const uint8_t *bytes, size_t length);

/* The tag of a message of at most HMAC_MESSAGE_MOST bytes. */
void hmac_tag(const struct hmac_key *key, const uint8_t *message, size_t length, uint8_t tag[HMAC_BYTES]);

#endif
