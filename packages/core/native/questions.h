#ifndef SCOUT_QUESTIONS_H
#define SCOUT_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "timers.h"

struct lane_socket;
struct series;

/* One packet that was sent, or is about to be. It is remembered for a while after its end, to recognise late and duplicate answers. */
struct question {
  struct timer deadline;
  struct series *series; /* NULL once nobody waits for it */
  struct lane_socket *socket; /* NULL once it is closed */
  uint64_t ticket;
  uint32_t sequence;
  uint32_t nonce; /* initial sequence number of a SYN: its lower half is that of `sequence` */
  uint16_t source_port;
  uint16_t port;
  bool is_pending;
  bool is_sent; /* the kernel has accepted it: no error can be about it before */
  bool was_answered;
  bool may_be_ours; /* packets were dropped by this host since it was sent, perhaps its answer */
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
  MOST_PLACES = 65536, /* the lower half of a SYN's number points into the ring */
};

bool questions_start(struct questions *questions, uint32_t first_sequence);

/* A new question with the next number; NULL when all are pending or there is no memory. */
struct question *questions_new(struct questions *questions);

/* The question with this number; NULL when it is forgotten, or was never asked. */
struct question *questions_find(const struct questions *questions, uint32_t sequence);

/* The only question with these lower 16 bits that the ring can point to; it may be another one. */
struct question *questions_find_low(const struct questions *questions, uint32_t low);

/* Calls back for each question that waits for an answer. */
typedef void (*with_question)(void *context, struct question *question);
void questions_each(const struct questions *questions, with_question callback, void *context);
void questions_each_pending(const struct questions *questions, with_question callback, void *context);

void questions_free(struct questions *questions);

#endif
