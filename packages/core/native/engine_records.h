#ifndef SCOUT_ENGINE_RECORDS_H
#define SCOUT_ENGINE_RECORDS_H

#include <stdint.h>

#include "address.h"
#include "sessions.h"

/*
 * The memory a packet engine shares with JavaScript; addon.c exports its offsets. The engine's thread writes counters, sessions and rows,
 * JavaScript reads them. A row belongs to JavaScript from the time `take` counts it until `release`.
 */
enum { RECORDS = 4096, RESPONDERS = 16 };

enum record_kind { RECORD_ANSWERED = 1, RECORD_ICMP = 2, RECORD_UNSENT = 3, RECORD_SILENT = 4, RECORD_STRAY = 5 };

enum stray_kind { STRAY_LATE = 1, STRAY_DUPLICATE = 2, STRAY_FOREIGN = 3 };

enum record_flag {
  FLAG_RESET = 1,       /* the answer to a SYN was RST */
  FLAG_OTHER_KEY = 2,   /* of silence: something came whose tag was made with another key */
  FLAG_MAY_BE_OURS = 4, /* of silence: this host dropped packets meanwhile, perhaps the answer */
  FLAG_OTHER_LENGTH = 8, /* the answer has another length than the question */
  FLAG_ALTERED = 16,    /* the answer, or what came in its place, does not bring back what was sent */
  FLAG_STRANGER = 32,   /* of silence: the target sent something of another format */
};

struct record {
  double id;         /* of the question as JavaScript added it; of a stray: the number of its lane */
  double copy_of;    /* of a further copy of an answer: id of its question; otherwise 0 */
  double started_ns; /* monotonic, as of process.hrtime */
  double started_ms; /* wall clock */
  double took_ns;    /* to the answer or error; of silence: of its late answer; NaN when unknown */
  double ended_ns;   /* monotonic: when it was decided */
  /* Of STAMP; NaN when unknown. */
  double residence_ns; /* between receipt and departure at the reflector; not part of took_ns */
  double forth_ns;     /* from our departure to its receipt, where both clocks follow UTC */
  double utc_error_ns; /* of that */
  double span_ns;      /* of condensed answers: from sending the first question to sending the last, which the rest is about */
  uint32_t kind;
  uint32_t flags; /* of a stray: its kind */
  uint32_t answers; /* that it stands for: more than 1 if they are condensed */
  uint32_t tx_clock;
  uint32_t rx_clock;
  uint32_t sequence;
  uint32_t source_port;
  uint32_t stamp_sequence; /* of the session, … */
  uint32_t reflected;      /* … and how many the reflector had answered in it */
  uint32_t copied;         /* of a further copy: the same of the answer before */
  int32_t sender_ttl;      /* with which the question arrived there; -1 when unknown */
  uint32_t length; /* of the answer */
  int32_t ttl;     /* -1 when unknown */
  int32_t traffic_class;
  uint32_t number; /* errno */
  uint32_t type;   /* ICMP type and code */
  uint32_t code;
  uint32_t info; /* MTU, where type and code, or EMSGSIZE, say so */
  uint32_t port;
  uint32_t address_length;
  char address[ADDRESS_TEXT_BYTES]; /* sender of the ICMP error, or of the stray */
};

struct engine_counts {
  double started;   /* repeated questions sent, or refused by this host */
  double late;      /* … more than an interval late */
  double skipped;   /* … not sent because that was longer than an interval ago */
  double in_flight; /* all questions that wait for an answer */
  double lost;      /* records that found the ring full */
  double turns;     /* of the thread: grows while it lives and has something to do */
};

struct responder_counts {
  double answered;
  double rejected;
  double unsent;
  double dropped; /* by the kernel, because the receive buffer was full */
};

/* What to ask next: JavaScript writes it and calls `add`. */
struct request {
  double slot;
  double id;
  double lane;
  double port;
  double payload_bytes;
  double timeout_ms;
  double interval_ms; /* 0: once */
  double due_ns;      /* monotonic */
  double flow;        /* index of the source port; -1: another one in each round */
  double ssid;        /* of STAMP: the session, … */
  double sequence;    /* … the number of its first packet, … */
  double is_light;    /* … and whether the reflector may drop TLVs */
  double condensed;   /* most answers in one record; 0: one */
};

struct engine_memory {
  struct request request;
  struct engine_counts counts;
  struct responder_counts responders[RESPONDERS];
  struct sessions sessions[RESPONDERS];
  struct record records[RECORDS];
};

#endif
