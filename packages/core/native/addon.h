#ifndef SCOUT_ADDON_H
#define SCOUT_ADDON_H

#include <uv.h>

#include "timed_socket.h"

/* What one environment (the main thread, or one worker) owns. Nothing in this add-on is shared between environments. */
struct addon {
  uv_loop_t *loop;
  struct timed_thread thread;
};

#endif
