#ifndef SCOUT_UTC_H
#define SCOUT_UTC_H

#include <stdbool.h>
#include <stdint.h>

/* How far the wall clock may be from UTC, by the program that keeps it (adjtimex(2)). */
struct utc {
  bool is_synchronized;
  int64_t error_ns;
  int64_t read_ns; /* monotonic; 0: never */
};

/* Asks the kernel again after a second. */
void utc_look(struct utc *utc, int64_t now_ns);

#endif
