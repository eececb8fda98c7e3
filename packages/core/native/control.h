#ifndef SCOUT_CONTROL_H
#define SCOUT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>

#include "address.h"

/* The parts of a message's control data that are of use here, each checked against the length the kernel gave. */
struct control {
  struct timespec stamp; /* zero when there is none */
  bool has_error;
  struct sock_extended_err error;
  union address offender; /* who sent the error; AF_UNSPEC when unknown */
  int32_t ttl;            /* -1 when unknown, as the next */
  int32_t traffic_class;
  union address local; /* what the packet was sent to; AF_UNSPEC when unknown */
};

void control_read(struct msghdr *message, struct control *control);

#endif
