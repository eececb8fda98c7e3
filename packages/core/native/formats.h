#ifndef SCOUT_FORMATS_H
#define SCOUT_FORMATS_H

#include "engine.h"

/* A packet of fixed layout: how a question is written, and how its answers are recognised. */
struct format {
  const char *name;
  /* Whether its sockets also receive what is not for us (raw(7)); such packets are ignored, and others counted as foreign. */
  bool is_shared;
  uint32_t least_payload;
  uint32_t (*length)(const struct series *);
  /* Writes the packet of a question. Returns 0, or an errno when this host has no way to the target. */
  int (*write)(struct question *, uint8_t *bytes, uint32_t length);
  /* The question a packet answers; NULL when none is remembered. `*is_ours` says whether it looks like an answer to this lane. */
  struct question *(*find)(const struct lane *, const uint8_t *bytes, uint32_t length, bool *is_ours);
  /* The question an ICMP error quotes; NULL with `*is_vague` when it quotes too little to tell. */
  struct question *(*find_quoted)(const struct lane *, const uint8_t *bytes, uint32_t length, bool *is_vague);
  /* What is to be said of an answer: FLAG_RESET, FLAG_NOT_GENUINE. */
  uint32_t (*judge)(const struct series *, const uint8_t *bytes, uint32_t length);
};

/* NULL when there is no format of this name. */
const struct format *format_named(const char *name);

/* The reply to a datagram of Scout's UDP echo, made of the request in place; false when it is no genuine request. */
bool echo_datagram_reply(const struct hmac_key *key, uint8_t *bytes, uint32_t length);

#endif
