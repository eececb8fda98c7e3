#include "departures.h"

#include <math.h>
#include <stddef.h>

void departures_start(struct departures *departures, struct departure *ring, uint32_t *kernel_ids, uint32_t places)
{
  departures->ring = ring;
  departures->kernel_ids = kernel_ids;
  departures->places = places;
  departures->count = 0;
  departures->next_kernel_id = 0;
}

uint64_t departures_add(struct departures *departures, const struct time_line *line, int64_t handed_ns)
{
  uint64_t ticket = departures->count++;
  uint64_t place = ticket % departures->places;

  departures->ring[place].handed_ns = time_line_at(line, handed_ns);
  departures->ring[place].left_ns = (double)NAN;
  departures->kernel_ids[place] = departures->next_kernel_id++;
  return ticket;
}

static bool fits(const struct departures *departures, uint64_t place, uint32_t kernel_id, double left_ns, double slack_ns)
{
  const struct departure *departure = &departures->ring[place];

  return departures->kernel_ids[place] == kernel_id && isnan(departure->left_ns) &&
         departure->handed_ns <= left_ns + slack_ns;
}

void departures_stamp(struct departures *departures, const struct time_line *line, uint32_t kernel_id, int64_t left_ns)
{
  uint64_t kept = departures->count < departures->places ? departures->count : departures->places;
  /* Counters wrap at 2^32; unsigned subtraction still gives their distance. */
  uint32_t distance = departures->next_kernel_id - kernel_id;
  double at_ns = time_line_at(line, left_ns);
  double slack_ns = (double)line->doubt_ns;

  if (distance >= 1 && distance <= kept) {
    uint64_t place = (departures->count - distance) % departures->places;

    if (fits(departures, place, kernel_id, at_ns, slack_ns)) {
      departures->ring[place].left_ns = at_ns;
      return;
    }
  }
  /* Counted before the last restart: the youngest packet with this number that was handed over before the stamp. */
  for (uint64_t age = 1; age <= kept; age++) {
    uint64_t place = (departures->count - age) % departures->places;

    if (fits(departures, place, kernel_id, at_ns, slack_ns)) {
      departures->ring[place].left_ns = at_ns;
      return;
    }
  }
}

const struct departure *departures_find(const struct departures *departures, uint64_t ticket)
{
  if (ticket >= departures->count || departures->count - ticket > departures->places)
    return NULL;
  return &departures->ring[ticket % departures->places];
}

void departures_restart(struct departures *departures)
{
  departures->next_kernel_id = 0;
}
