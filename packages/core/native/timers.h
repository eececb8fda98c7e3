#ifndef SCOUT_TIMERS_H
#define SCOUT_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

/* A moment that something waits for, embedded in it. */
struct timer {
  int64_t at_ns;
  uint32_t place; /* in the heap, counted from 1; 0 when it is not set */
};

/* The timers that are set, as a binary heap: the first is the earliest. */
struct timers {
  struct timer **heap;
  uint32_t count;
  uint32_t room;
};

/* Makes room for `more` timers, which can then be set without fail. Returns false when there is no memory. */
bool timers_reserve(struct timers *timers, uint32_t more);

/* Sets a timer that is not set. */
void timers_set(struct timers *timers, struct timer *timer, int64_t at_ns);

/* Does nothing when the timer is not set. */
void timers_cancel(struct timers *timers, struct timer *timer);

/* Returns the earliest; NULL when none is set. */
struct timer *timers_first(const struct timers *timers);

void timers_free(struct timers *timers);

#endif
