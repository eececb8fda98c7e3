#include "time_line.h"

#include <stdlib.h>

/* Below this a step does not matter, and the clocks' own roundings are not mistaken for one. */
enum { NEGLIGIBLE_NS = 1000, SAMPLES = 16 };

static int64_t nanoseconds(const struct timespec *time)
{
  return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int64_t read_clock(clockid_t clock)
{
  struct timespec time;

  clock_gettime(clock, &time);
  return nanoseconds(&time);
}

/* The wall clock read between two readings of the monotonic one bounds their difference from both sides. */
static int64_t sample_offset(int64_t *offset_ns, int64_t *doubt_ns)
{
  int64_t before_ns = read_clock(CLOCK_MONOTONIC);
  int64_t wall_ns = read_clock(CLOCK_REALTIME);
  int64_t after_ns = read_clock(CLOCK_MONOTONIC);

  *offset_ns = wall_ns - before_ns - (after_ns - before_ns) / 2;
  *doubt_ns = (after_ns - before_ns + 1) / 2;
  return after_ns;
}

/* The narrowest of several samples: a thread that is preempted between two readings makes a wide one. */
static void measure_offset(struct time_line *line)
{
  int64_t offset_ns, doubt_ns;

  sample_offset(&line->offset_ns, &line->doubt_ns);
  for (int i = 1; i < SAMPLES; i++) {
    sample_offset(&offset_ns, &doubt_ns);
    if (doubt_ns >= line->doubt_ns)
      continue;
    line->offset_ns = offset_ns;
    line->doubt_ns = doubt_ns;
  }
}

void time_line_start(struct time_line *line)
{
  line->steps = 0;
  measure_offset(line);
  line->base_ns = read_clock(CLOCK_MONOTONIC);
}

int64_t time_line_now(struct time_line *line)
{
  int64_t offset_ns, doubt_ns;
  int64_t now_ns = sample_offset(&offset_ns, &doubt_ns);

  if (llabs(offset_ns - line->offset_ns) > doubt_ns + line->doubt_ns + NEGLIGIBLE_NS) {
    line->steps++;
    measure_offset(line);
    now_ns = read_clock(CLOCK_MONOTONIC);
  }
  return now_ns;
}

int64_t time_line_read(void)
{
  return read_clock(CLOCK_MONOTONIC);
}

int64_t time_line_place(const struct time_line *line, const struct timespec *stamp)
{
  return nanoseconds(stamp) - line->offset_ns;
}

double time_line_at(const struct time_line *line, int64_t monotonic_ns)
{
  return (double)(monotonic_ns - line->base_ns);
}
