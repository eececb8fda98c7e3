#ifndef SCOUT_RESPONDER_H
#define SCOUT_RESPONDER_H

#include "engine.h"

/* Answers Scout's UDP echo on one socket. */
struct responder {
  struct timed_socket timed; /* first, so that one is found from the other */
  struct responder *next;
  struct engine *engine;
  struct responder_counts *counts; /* in the memory shared with JavaScript */
  struct hmac_key key;
  /* Answers of the batch that is being read. */
  uint32_t count;
  uint8_t *bytes[BATCH];
  uint32_t lengths[BATCH];
  union address to[BATCH];
  struct packet_options options[BATCH];
};

void responder_begin(struct responder *responder);

/* Reads and answers what has arrived. Returns false when the socket is no responder's. */
bool responder_read(struct engine *engine, struct timed_socket *timed);

void responder_free(struct responder *responder);

#endif
