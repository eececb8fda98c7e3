#include "utc.h"

#include <sys/timex.h>

static const int64_t second_ns = 1000000000;

/* The kernel's bound (NTP_PHASE_LIMIT in include/linux/timex.h). */
static const int64_t most_error_ns = INT64_C(16) * 1000000000;

void utc_look(struct utc *utc, int64_t now_ns)
{
  struct timex timex = {.modes = 0};

  if (utc->read_ns != 0 && now_ns - utc->read_ns < second_ns)
    return;
  utc->read_ns = now_ns;
  utc->is_synchronized = adjtimex(&timex) >= 0 && (timex.status & STA_UNSYNC) == 0;
  utc->error_ns = utc->is_synchronized ? (int64_t)timex.maxerror * 1000 : most_error_ns;
}
