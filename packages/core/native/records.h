#ifndef SCOUT_RECORDS_H
#define SCOUT_RECORDS_H

#include <stdint.h>

#include "address.h"

/*
 * The memory a socket shares with JavaScript, which reads it through typed arrays; offsets and sizes are exported by
 * addon.c, so that only this file defines them. All times are on the time line (time_line.h).
 *
 *   departures  a ring, indexed by ticket
 *   arrivals    one row a packet of the wake-up
 *   errors      one row an ICMP error of the wake-up
 *   packets     the bytes the rows point to
 */
enum {
  DEPARTURES = 8192,
  ARRIVALS = 64,
  ERRORS = 64,
  ERROR_BYTES = 512, /* of the packet an error is about; ICMP quotes 8 to 1232 of them (RFC 792, RFC 4443 §2.4) */
};

/* How a time was taken: by the kernel, or by this process because the kernel's stamp did not come or cannot be trusted. */
enum clock { CLOCK_OF_PROCESS = 0, CLOCK_OF_KERNEL = 1 };

struct departure {
  double handed_ns; /* just before the packet was handed to the kernel */
  double left_ns;   /* the kernel's stamp; NaN until it came */
};

struct arrival {
  double at_ns;
  uint32_t clock;
  uint32_t start;         /* where the packet begins in the shared memory, behind an IPv4 header */
  uint32_t length;        /* of what is there */
  uint32_t is_truncated;  /* the packet was longer */
  int32_t ttl;            /* TTL or hop limit; -1 when unknown */
  int32_t traffic_class;  /* TOS or traffic class; -1 when unknown */
  uint32_t port;
  uint32_t is_outgoing;   /* seen by an observer on its way out */
  uint32_t address_length;
  uint32_t local_length;  /* 0 where the socket was not opened to report it */
  char address[ADDRESS_TEXT_BYTES];
  char local[ADDRESS_TEXT_BYTES]; /* which of this host's addresses the packet was sent to */
};

struct error {
  double at_ns;
  uint32_t clock;
  uint32_t start; /* the packet the error is about, from its transport header (ICMP, TCP) or payload (UDP) on */
  uint32_t length;
  uint32_t number; /* errno */
  uint32_t type;
  uint32_t code;
  uint32_t info; /* the MTU, where type and code say so */
  uint32_t port;
  uint32_t address_length;
  uint32_t offender_length;
  char address[ADDRESS_TEXT_BYTES];
  char offender[ADDRESS_TEXT_BYTES];
};

struct records {
  struct departure departures[DEPARTURES];
  struct arrival arrivals[ARRIVALS];
  struct error errors[ERRORS];
  uint8_t error_packets[ERRORS][ERROR_BYTES];
  uint8_t packets[]; /* as many as are read at once, of the packet size of the socket */
};

#endif
