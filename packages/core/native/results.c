#include <math.h>
#include <stdlib.h>

#include "engine.h"

/* A record that found the ring full, of a question asked once: someone waits for it. */
struct waiting_record {
  struct waiting_record *next;
  struct record record;
};

static bool is_full(const struct engine *engine)
{
  return atomic_load_explicit(&engine->head, memory_order_relaxed) -
           atomic_load_explicit(&engine->tail, memory_order_acquire) >=
         RECORDS;
}

bool results_are_many(const struct engine *engine)
{
  return atomic_load_explicit(&engine->head, memory_order_relaxed) -
           atomic_load_explicit(&engine->tail, memory_order_relaxed) >=
         RECORDS / 2;
}

static struct record *row(struct engine *engine)
{
  return &engine->memory->records[atomic_load_explicit(&engine->head, memory_order_relaxed) % RECORDS];
}

struct record *results_new(struct engine *engine, double id, bool must_arrive)
{
  const struct record empty = {
    .id = id,
    .took_ns = (double)NAN,
    .residence_ns = (double)NAN,
    .forth_ns = (double)NAN,
    .utc_error_ns = (double)NAN,
    .answers = 1,
    .sender_ttl = -1,
    .ttl = -1,
    .traffic_class = -1,
  };
  struct record *record = NULL;

  if (!is_full(engine) && engine->first_waiting == NULL) {
    record = row(engine);
  } else if (must_arrive) {
    struct waiting_record *waiting = malloc(sizeof *waiting);

    if (waiting != NULL) {
      waiting->next = NULL;
      *engine->last_waiting = waiting;
      engine->last_waiting = &waiting->next;
      record = &waiting->record;
    }
  }
  if (record == NULL) {
    engine->memory->counts.lost++;
    engine->must_notify = true;
    return NULL;
  }
  *record = empty;
  return record;
}

void results_add(struct engine *engine, struct record *record, bool is_urgent)
{
  uint32_t head = atomic_load_explicit(&engine->head, memory_order_relaxed);

  if (record == row(engine) && engine->first_waiting == NULL) {
    atomic_store_explicit(&engine->head, ++head, memory_order_release);
    is_urgent |= head - atomic_load_explicit(&engine->tail, memory_order_relaxed) == RECORDS / 2;
  }
  engine->must_notify |= is_urgent;
}

void results_flush(struct engine *engine)
{
  while (engine->first_waiting != NULL && !is_full(engine)) {
    struct waiting_record *waiting = engine->first_waiting;

    *row(engine) = waiting->record;
    atomic_fetch_add_explicit(&engine->head, 1, memory_order_release);
    engine->first_waiting = waiting->next;
    if (engine->first_waiting == NULL)
      engine->last_waiting = &engine->first_waiting;
    free(waiting);
    engine->must_notify = true;
  }
  if (!engine->must_notify)
    return;
  engine->must_notify = false;
  engine->notify(engine);
}

void results_free(struct engine *engine)
{
  while (engine->first_waiting != NULL) {
    struct waiting_record *next = engine->first_waiting->next;

    free(engine->first_waiting);
    engine->first_waiting = next;
  }
}
