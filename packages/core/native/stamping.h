#ifndef SCOUT_STAMPING_H
#define SCOUT_STAMPING_H

#include <stdbool.h>

/*
 * The kernel stamps arriving packets only while some socket asks for it, and takes a moment to start: a kernel worker patches
 * the code in (net/core/dev.c, net_enable_timestamp). Until then packets come without a stamp and get the time at which they
 * are read in place of it (net/socket.c, __sock_recv_timestamp). So the first socket of a thread opens
 * a separate descriptor that turns stamping on and keeps it on, and waits until it works.
 */
struct stamping {
  int fd;
  bool is_certain; /* seen to work; never where the loopback interface is down */
};

void stamping_start(struct stamping *stamping);
void stamping_stop(struct stamping *stamping);

#endif
