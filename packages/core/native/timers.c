#include "timers.h"

#include <stdlib.h>

static void put(struct timers *timers, uint32_t place, struct timer *timer)
{
  timers->heap[place - 1] = timer;
  timer->place = place;
}

static void rise(struct timers *timers, struct timer *timer, uint32_t place)
{
  while (place > 1 && timer->at_ns < timers->heap[place / 2 - 1]->at_ns) {
    put(timers, place, timers->heap[place / 2 - 1]);
    place /= 2;
  }
  put(timers, place, timer);
}

static void sink(struct timers *timers, struct timer *timer, uint32_t place)
{
  for (;;) {
    uint32_t child = place * 2;

    if (child > timers->count)
      break;
    if (child < timers->count && timers->heap[child]->at_ns < timers->heap[child - 1]->at_ns)
      child++;
    if (timers->heap[child - 1]->at_ns >= timer->at_ns)
      break;
    put(timers, place, timers->heap[child - 1]);
    place = child;
  }
  put(timers, place, timer);
}

bool timers_reserve(struct timers *timers, uint32_t more)
{
  if (timers->room - timers->count >= more)
    return true;
  uint32_t room = timers->room < 64 ? 64 : timers->room;
  while (room - timers->count < more)
    room *= 2;
  struct timer **heap = realloc(timers->heap, room * sizeof *heap);
  if (heap == NULL)
    return false;
  timers->heap = heap;
  timers->room = room;
  return true;
}

void timers_set(struct timers *timers, struct timer *timer, int64_t at_ns)
{
  timer->at_ns = at_ns;
  rise(timers, timer, ++timers->count);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
  uint32_t place = timer->place;

  if (place == 0)
    return;
  timer->place = 0;
  struct timer *last = timers->heap[--timers->count];
  if (last == timer)
    return;
  if (last->at_ns < timer->at_ns)
    rise(timers, last, place);
  else
    sink(timers, last, place);
}

struct timer *timers_first(const struct timers *timers)
{
  return timers->count == 0 ? NULL : timers->heap[0];
}

void timers_free(struct timers *timers)
{
  free(timers->heap);
}
