#ifndef SCOUT_TIME_LINE_H
#define SCOUT_TIME_LINE_H

#include <stdint.h>
#include <time.h>

/*
 * One line for all times of a thread: CLOCK_MONOTONIC, counted from a base near the thread's start so that a double holds
 * it exactly (2^53 ns are 104 days).
 *
 * The kernel stamps packets with CLOCK_REALTIME (ktime_get_real(), Documentation/networking/timestamping.rst), which may
 * be stepped. The difference to CLOCK_MONOTONIC is constant except for steps: both are slewed together (kernel/time/
 * timekeeping.c, wall_to_monotonic). So it is measured once, checked with every reading, and a change is a step.
 */
struct time_line {
  int64_t base_ns;
  int64_t offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
  int64_t doubt_ns;  /* how far the true offset may lie from offset_ns */
  uint32_t steps;    /* steps seen so far */
};

void time_line_start(struct time_line *line);

/* The monotonic clock, in nanoseconds since boot; also checks for a step of the wall clock. */
int64_t time_line_now(struct time_line *line);

/* The same clock, without the check for steps. */
int64_t time_line_read(void);

/* A stamp of the kernel as monotonic nanoseconds; right only if the clock was not stepped since the stamp was taken. */
int64_t time_line_place(const struct time_line *line, const struct timespec *stamp);

/* Monotonic nanoseconds as they cross into JavaScript. */
double time_line_at(const struct time_line *line, int64_t monotonic_ns);

#endif
