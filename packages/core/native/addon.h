#ifndef SCOUT_ADDON_H
#define SCOUT_ADDON_H

#include <uv.h>

#include "receive.h"
#include "stamping.h"
#include "time_line.h"

/* What one environment (the main thread, or one worker) owns. Nothing in this add-on is shared between environments. */
struct addon {
  uv_loop_t *loop;
  struct time_line line;
  struct stamping stamping;
  /* Scratch of recvmmsg: a reading is over before the next begins, so all sockets of a thread share it. */
  struct receive_batch batch;
};

#endif
