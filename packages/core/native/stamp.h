#ifndef SCOUT_STAMP_H
#define SCOUT_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "hmac.h"
#include "utc.h"

/*
 * Packets of STAMP (RFC 8762, RFC 8972): src/wire/stamp.ts, stamp-time.ts and stamp-tlv.ts describe them and have the same. With an empty
 * key they are unauthenticated. Nothing here depends on a socket. Times are nanoseconds since 1970.
 */

enum {
  STAMP_BYTES = 44,
  STAMP_KEYED_BYTES = 112,
  STAMP_LEAST_BYTES = 41, /* of TWAMP Light: up to the TTL of its answer (RFC 5357 §4.2.1) */
  /* Padding that begins with a number of 64 bits. */
  STAMP_PADDING_BYTES = 4 + 8,
};

/* How a time was taken (RFC 8972 §4.3). */
enum stamp_method { STAMPED_BY_KERNEL = 2, STAMPED_BY_PROCESS = 3 };

/* What a reflector knows about a request, and tells in its answer. */
struct stamp_reflection {
  uint32_t sequence; /* of the answer */
  int64_t received_ns;
  enum stamp_method received_by;
  struct utc utc;
  int32_t ttl;           /* with which the request arrived; -1 when unknown, as the next */
  int32_t traffic_class;
  bool has_previous;     /* answer of the session */
  uint32_t previous;
  int64_t previous_ns;
  enum stamp_method previous_by;
};

/* What the reflector is asked for beyond the answer. */
struct stamp_wish {
  int32_t traffic_class; /* to answer with; -1: none */
  bool has_follow_up;
};

uint32_t stamp_bytes(const struct hmac_key *key);

/* Whether it is a genuine request; what it is not, must not be answered. */
bool stamp_is_request(const struct hmac_key *key, const uint8_t *bytes, uint32_t length);

/* What a sender asks with, and is answered with. */
struct stamp_asked {
  uint32_t sequence;
  uint32_t ssid;
  uint64_t timestamp;
};

/* What an answer says beside that. */
struct stamp_answer {
  uint32_t sequence;
  int32_t sender_ttl;
  double residence_ns;
  uint64_t received;  /* timestamp */
  double error_ns;    /* of the reflector's clock; NaN when it does not follow UTC, or in the other format */
};

/* What a request says; it ends behind the session identifier. */
struct stamp_asked stamp_asked_by(bool is_keyed, const uint8_t *bytes);

/* Where that ends. */
uint32_t stamp_asked_bytes(bool is_keyed);

/* Turns a request into its answer, in place, except for what stamp_seal writes. */
struct stamp_wish stamp_reflect(const struct hmac_key *key, uint8_t *bytes, uint32_t length,
                                const struct stamp_reflection *reflection);

/* Writes the time of departure, and the HMAC. */
void stamp_seal(const struct hmac_key *key, uint8_t *bytes, int64_t sent_ns);

/* Writes a request as long as `length`, with a number in its padding. */
void stamp_write(const struct hmac_key *key, uint8_t *bytes, uint32_t length, const struct stamp_asked *asked,
                 const struct utc *utc);
void stamp_write_number(const struct hmac_key *key, uint8_t *bytes, uint64_t number);

/* The number in the padding of a request or an answer; false where there is none. */
bool stamp_find_number(bool is_keyed, const uint8_t *bytes, uint32_t length, uint64_t *number);

/* Whether it has the layout of an answer. */
bool stamp_is_answer(bool is_keyed, const uint8_t *bytes, uint32_t length);

/* Whether the sender has the key. Without a key everything is genuine. */
bool stamp_is_genuine(const struct hmac_key *key, const uint8_t *bytes, uint32_t length);

struct stamp_asked stamp_asked_of(bool is_keyed, const uint8_t *bytes);
/* The reflector's own number, which both layouts begin with. */
uint32_t stamp_number_of_answer(const uint8_t *bytes);
struct stamp_answer stamp_answer_of(bool is_keyed, const uint8_t *bytes);

uint64_t stamp_time(int64_t unix_ns);

/* Nanoseconds between two timestamps of NTP, across the wrap of the seconds. */
double stamp_between(uint64_t from, uint64_t to);

#endif
