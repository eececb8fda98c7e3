#ifndef SCOUT_SESSIONS_H
#define SCOUT_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "random.h"

/*
 * The sessions of a STAMP reflector (RFC 8762 §4.3, stateful mode). One is known by the address of its sender and its identifier, so that
 * it may come from many ports; without an identifier (RFC 8972 §3) its port stands for it.
 *
 * They lie in sets of a few places. Which set is theirs nobody else can predict, so nobody can push a chosen session out. In its set the
 * one that was used least recently makes room. So both memory and work are bounded.
 */
struct session {
  uint8_t address[16]; /* of IPv6; one of IPv4 is mapped (RFC 4291 §2.5.5.2) */
  uint32_t port_and_ssid;
  uint32_t id;    /* of it alone, in its place and in others; 0: free, or being replaced */
  double used_ns; /* monotonic: when its last request was read */
  uint32_t next;   /* number of its next answer */
  /* Its previous answer. */
  uint32_t previous;
  int64_t previous_ns; /* since 1970; 0: none */
  bool is_stamped;     /* `previous_ns` is the kernel's */
};

enum { SESSION_SETS = 256, SESSION_WAYS = 8 };

/*
 * In the memory shared with JavaScript, which reads the addresses that requests came from. A place whose `id` is the same before and after it is read
 * was not given to another session meanwhile.
 */

struct sessions {
  uint32_t count; /* so far */
  struct session places[SESSION_SETS][SESSION_WAYS];
};

/* The session of a request; a new one starts at zero. */
struct session *sessions_find(struct sessions *sessions, const struct random *random, const union address *from,
                              uint32_t ssid, int64_t now_ns);

#endif
