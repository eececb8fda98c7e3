#ifndef SCOUT_RECEIVE_H
#define SCOUT_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if_packet.h>

#include "address.h"
#include "records.h"

struct packet_socket;

enum {
  BATCH = 64,
  /* The stamps (three timespecs), an extended error with its offender, TTL, TOS and local address, each with its header: 248 bytes. */
  CONTROL_BYTES = 256,
};

struct receive_batch {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  union receive_name {
    struct sockaddr any;
    struct sockaddr_ll link;
    union address ip;
  } names[BATCH];
  union {
    struct cmsghdr header;
    unsigned char bytes[CONTROL_BYTES];
  } controls[BATCH];
};

/* What one reading of a socket brought. */
struct reading {
  uint32_t arrivals;
  uint32_t errors;
  uint32_t dropped;
  bool is_drained; /* nothing was left */
};

/* Reads at most one batch of packets into the rows, and after it the error queue. */
struct reading receive(struct packet_socket *socket);

/* Reads the error queue alone: stamps into the ring of departures, errors into their rows. Returns whether it is empty. */
bool receive_errors(struct packet_socket *socket);

#endif
