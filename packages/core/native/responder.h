#ifndef SCOUT_RESPONDER_H
#define SCOUT_RESPONDER_H

#include "engine.h"
#include "sessions.h"
#include "stamp.h"

/* An answer of the batch that is being read. */
struct reflected {
  uint8_t *bytes;
  uint32_t length;
  bool has_follow_up;
  struct session *session;
  uint32_t session_id;
  uint32_t sequence;
  int64_t sent_ns; /* since 1970 */
  union address to;
  struct packet_options options;
};

/* An answer that the kernel stamps. */
struct followed {
  uint32_t kernel_id;
  struct session *session; /* NULL: none */
  uint32_t session_id;
  uint32_t sequence;
  int64_t sent_ns; /* since 1970 */
};

/* A Session-Reflector of STAMP on one socket (RFC 8762 §4.3). */
struct responder {
  struct timed_socket timed; /* first, so that one is found from the other */
  struct responder *next;
  struct engine *engine;
  struct responder_counts *counts; /* in the memory shared with JavaScript */
  struct hmac_key key;
  uint32_t count;
  struct reflected answers[BATCH];
  uint32_t next_kernel_id;
  struct followed followed[BATCH]; /* by kernel_id */
  struct sessions *sessions; /* in that memory, too */
};

void responder_begin(struct responder *responder);

/* Reads and answers what has arrived. Returns false when the socket is no responder's. */
bool responder_read(struct engine *engine, struct timed_socket *timed);

void responder_free(struct responder *responder);

#endif
