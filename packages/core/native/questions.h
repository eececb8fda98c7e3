#ifndef SCOUT_QUESTIONS_H
#define SCOUT_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "timers.h"

struct lane_socket;
struct series;

/* An ICMP error about a packet. */
struct icmp_error {
  double at_ns; /* on the time line */
  uint32_t clock;
  uint32_t number; /* errno */
  uint32_t type;
  uint32_t code;
  uint32_t info;
  union address from;
};

/* One packet that was sent, or is about to be. It is remembered for a while after its end, to recognise late and duplicate answers. */
struct question {
  struct timer deadline;
  struct series *series; /* NULL once nobody waits for it */
  struct lane_socket *socket; /* NULL once it is closed */
  uint64_t ticket;
  uint32_t length; /* of the packet, from the header that its format writes */
  uint32_t sequence;
  uint64_t number; /* that the packet carries and its answer brings back; nobody else can guess it (formats.c) */
  uint64_t timestamp;      /* of STAMP: the low bits lead to the question, as those of `number` */
  uint32_t stamp_sequence; /* of STAMP: of the session */
  uint32_t stamp_reflected; /* of STAMP: number that the reflector gave to its answer */
  double asked_by;         /* id of the series, also once nobody waits for it */
  uint32_t slot;           /* of the series */
  uint16_t ssid;
  bool is_light;
  uint16_t source_port;
  uint16_t port;
  bool is_pending;
  bool is_sent; /* the kernel has accepted it: no error can be about it before */
  bool was_answered;
  bool has_copy_to_tell; /* the next copy of its answer is to be told of */
  bool may_be_ours; /* packets were dropped by this host since it was sent, perhaps its answer */
  struct icmp_error *likely_error; /* quotes too little to be sure that it is about this; NULL: none came */
  uint16_t payload_sum; /* of a ping: sum of what is behind its header */
  uint32_t doubts;  /* enum record_flag: what came in the place of an answer */
  int64_t handed_ns;
  double started_ms;
  union address to;
};

/*
 * Questions by sequence number: a ring that the number points into, so that an answer finds its question without a search. It grows
 * until half of it is pending; the rest remembers what was asked before.
 */
struct questions {
  struct question **places;
  uint32_t mask; /* places - 1 */
  uint32_t next;
  uint32_t pending;
};

enum {
  FIRST_PLACES = 1024,
  MOST_PLACES = 65536, /* 16 bits of a number point into the ring, under a veil */
};

bool questions_start(struct questions *questions, uint32_t first_sequence);

/* A new question with the next number; NULL when all are pending or there is no memory. */
struct question *questions_new(struct questions *questions);

/* The only question with these lower 16 bits that the ring can point to; it may be another one. */
struct question *questions_find_low(const struct questions *questions, uint32_t low);

/* Calls back for each question that waits for an answer. */
typedef void (*with_question)(void *context, struct question *question);
void questions_each(const struct questions *questions, with_question callback, void *context);
void questions_each_pending(const struct questions *questions, with_question callback, void *context);

void questions_free(struct questions *questions);

#endif
