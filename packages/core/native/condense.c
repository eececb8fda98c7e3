#include "engine.h"

/*
 * A question that is repeated often may have its answers condensed: one record stands for several in a row of which each says what the
 * one before said. Its measurements are those of the last. Whatever differs, by a loss, a copy, a failure or another way, is a record of
 * its own, and comes after what was condensed before it. Only STAMP has the numbers that tell.
 */

/* Whether it is about the next packet of the session, nothing happened in between, and it came the same way. */
static bool follows(const struct record *answer, const struct record *before)
{
  return answer->stamp_sequence - before->stamp_sequence == 1 && answer->reflected - before->reflected == 1 &&
         answer->ttl == before->ttl && answer->traffic_class == before->traffic_class &&
         answer->sender_ttl == before->sender_ttl && answer->tx_clock == before->tx_clock && answer->rx_clock == before->rx_clock;
}

bool condense(struct engine *engine, struct series *series, const struct record *answer)
{
  struct condensed *condensed = &series->condensed;

  if (answer->flags != 0 || series->has_failed || !follows(answer, &condensed->last)) {
    condense_end(engine, series);
    /* One that was overtaken is followed by nothing. */
    if ((int32_t)(answer->stamp_sequence - condensed->last.stamp_sequence) > 0)
      condensed->last = *answer;
    return false;
  }
  condensed->last = *answer;
  if (condensed->count++ == 0)
    condensed->first_ns = answer->started_ns;
  if (condensed->count == condensed->most)
    condense_end(engine, series);
  return true;
}

void condense_end(struct engine *engine, struct series *series)
{
  struct condensed *condensed = &series->condensed;

  if (condensed->count == 0)
    return;
  struct record *record = results_new(engine, series->id, false);
  if (record == NULL) {
    engine->memory->counts.lost += condensed->count - 1; /* the rest of them */
  } else {
    *record = condensed->last;
    record->answers = condensed->count;
    record->span_ns = condensed->last.started_ns - condensed->first_ns;
    results_add(engine, record, false);
  }
  condensed->count = 0;
}

void condense_end_of(struct engine *engine, const struct question *question)
{
  struct series *series = question->slot < engine->slot_count ? engine->slots[question->slot] : NULL;

  /* Another may have taken its slot. */
  if (series != NULL && series->id == question->asked_by)
    condense_end(engine, series);
}
