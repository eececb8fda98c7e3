#ifndef SCOUT_STAMPING_H
#define SCOUT_STAMPING_H

#include <stdbool.h>

/*
 * The kernel stamps arriving packets only while some socket wants it, and takes a moment to begin: a worker of its own patches
 * the code in (net/core/dev.c, net_enable_timestamp). Until then packets come without a stamp and get the time at which they
 * are read in place of it (net/socket.c, __sock_recv_timestamp). So the first socket of a thread turns stamping on, and keeps
 * it on, with a descriptor of its own, and waits for it.
 */
struct stamping {
  int fd;
  bool is_certain; /* seen to work; never where the loopback interface is down */
};

void stamping_start(struct stamping *stamping);
void stamping_stop(struct stamping *stamping);

#endif
