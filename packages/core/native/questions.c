#include "questions.h"

#include <stdlib.h>

bool questions_start(struct questions *questions, uint32_t first_sequence)
{
  questions->places = calloc(FIRST_PLACES, sizeof *questions->places);
  questions->mask = FIRST_PLACES - 1;
  questions->next = first_sequence;
  questions->pending = 0;
  return questions->places != NULL;
}

/* Numbers that differ in the old ring differ in one twice as long. */
static void grow(struct questions *questions)
{
  uint32_t count = (questions->mask + 1) * 2;
  struct question **places = calloc(count, sizeof *places);

  if (places == NULL)
    return; /* the ring stays as it is */
  for (uint32_t i = 0; i <= questions->mask; i++)
    if (questions->places[i] != NULL)
      places[questions->places[i]->sequence & (count - 1)] = questions->places[i];
  free(questions->places);
  questions->places = places;
  questions->mask = count - 1;
}

struct question *questions_new(struct questions *questions)
{
  uint32_t count = questions->mask + 1;

  if (questions->pending >= count / 2 && count < MOST_PLACES)
    grow(questions);
  for (uint32_t tries = 0; tries <= questions->mask; tries++) {
    uint32_t sequence = questions->next++;
    struct question **place = &questions->places[sequence & questions->mask];

    if (*place != NULL && (*place)->is_pending)
      continue;
    if (*place == NULL)
      *place = calloc(1, sizeof **place);
    if (*place == NULL)
      return NULL;
    free((*place)->likely_error);
    **place = (struct question){.sequence = sequence};
    return *place;
  }
  return NULL;
}

struct question *questions_find_low(const struct questions *questions, uint32_t low)
{
  struct question *question = questions->places[low & questions->mask];

  return question != NULL && question->socket != NULL ? question : NULL;
}

void questions_each(const struct questions *questions, with_question callback, void *context)
{
  for (uint32_t i = 0; i <= questions->mask; i++)
    if (questions->places[i] != NULL)
      callback(context, questions->places[i]);
}

void questions_each_pending(const struct questions *questions, with_question callback, void *context)
{
  for (uint32_t i = 0; i <= questions->mask && questions->pending > 0; i++)
    if (questions->places[i] != NULL && questions->places[i]->is_pending)
      callback(context, questions->places[i]);
}

void questions_free(struct questions *questions)
{
  for (uint32_t i = 0; questions->places != NULL && i <= questions->mask; i++) {
    if (questions->places[i] != NULL)
      free(questions->places[i]->likely_error);
    free(questions->places[i]);
  }
  free(questions->places);
}
