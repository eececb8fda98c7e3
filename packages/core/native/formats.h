#ifndef SCOUT_FORMATS_H
#define SCOUT_FORMATS_H

#include "engine.h"

/*
 * All that reads packets. It depends on no socket, and with control.c it is what a fuzzer has to try: control_read for control data,
 * skip_ip_header, `find`, `find_alike`, `find_quoted`, `judge` and `tell` of each format, and what stamp.c reads.
 */

/* What an ICMP error quotes that quotes no question. */
enum quoted {
  QUOTED_OTHERS,  /* a packet of somebody else on this host */
  QUOTED_UNKNOWN, /* a packet that looks like one of this lane, and is none */
  QUOTED_LITTLE,  /* too little of a packet of this socket to tell which one */
};

/* A packet of fixed layout: how a question is written, and how its answers are recognised. */
struct format {
  const char *name;
  /* Whether its sockets also receive what is not for us (raw(7)); such packets are ignored, and others counted as foreign. */
  bool is_shared;
  uint32_t least_payload;
  uint32_t (*length)(const struct series *);
  /* Writes the packet of a question. Returns 0, or an errno when this host has no way to the target. */
  int (*write)(struct question *, uint8_t *bytes, uint32_t length);
  /*
   * The question a packet answers, because it has its number; NULL when none is remembered. `*is_ours` says whether it looks like an
   * answer to this lane.
   */
  struct question *(*find)(const struct lane *, const uint8_t *bytes, uint32_t length, bool *is_ours);
  /* The question a packet without a known number may be meant to answer; NULL where the format has nothing else to tell by. */
  struct question *(*find_alike)(const struct lane *, const uint8_t *bytes, uint32_t length);
  /* The question an ICMP error quotes; where it is NULL, `*quoted` says why. */
  struct question *(*find_quoted)(const struct lane *, const uint8_t *bytes, uint32_t length, enum quoted *quoted);
  /* What is to be said of an answer that `find` found: enum record_flag. Where it is not genuine, these are doubts. */
  uint32_t (*judge)(const struct question *, const uint8_t *bytes, uint32_t length, bool *is_genuine);
  /* Puts into the record what an answer says, which left the target for `arrived_ns` (monotonic); NULL where it says nothing more. */
  void (*tell)(const struct question *, const uint8_t *bytes, int64_t arrived_ns, struct record *record);
};

/* NULL when there is no format of this name. */
const struct format *format_named(const char *name);

/* Cuts an IPv4 header off (RFC 791 §3.1); false when there is none. */
bool skip_ip_header(const uint8_t **bytes, uint32_t *length);

#endif
