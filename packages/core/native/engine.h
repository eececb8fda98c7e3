#ifndef SCOUT_ENGINE_H
#define SCOUT_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine_records.h"
#include "hmac.h"
#include "packet_options.h"
#include "questions.h"
#include "random.h"
#include "timed_socket.h"
#include "timers.h"
#include "utc.h"

/*
 * A thread that sends packets of fixed format, once or repeatedly, matches their answers and decides their deadlines. JavaScript hands
 * in what to ask (commands, under a mutex) and takes out the results (records, in a ring without locks).
 *
 * The thread sleeps while nothing is due. It is not woken by the answers of repeated questions, because the kernel has stamped them:
 * it looks a while after sending, and again less and less often, and always before a deadline is decided.
 */

struct engine;
struct format;

enum { STRANGERS = 8 };

/* Who sent something that is no answer of the lane's format. It is told of where no answer came. */
struct stranger {
  union address from;
  int64_t at_ns; /* 0: none */
};

/* One socket of a lane. */
struct lane_socket {
  struct timed_socket timed; /* first, so that one is found from the other */
  struct lane *lane;
  uint32_t pending; /* questions that wait for an answer on it */
  int64_t kept_ns;     /* of UDP: until when it keeps its port */
  uint32_t generation; /* of its port */
  struct stranger strangers[STRANGERS];
  uint32_t next_stranger;
};

/* The sockets of one format and family in one network namespace. */
struct lane {
  struct lane *next;
  struct engine *engine;
  const struct format *format;
  uint32_t number;
  uint32_t sender;  /* random; its lower half is the identifier of its pings */
  bool is_prompt;   /* answers wake the thread, because someone waits for each */
  int route;        /* of raw TCP: socket to look up source addresses with; otherwise -1 */
  uint16_t *ports;  /* of raw TCP: reserved source ports */
  uint32_t port_count;
  int64_t renew_ns;    /* of UDP: when the next generation of ports begins */
  uint32_t generation; /* which each socket follows at its next turn */
  uint32_t socket_count;
  struct lane_socket sockets[];
};

/* Answers in a row that are condensed into one record (condense.c). */
struct condensed {
  uint32_t most; /* in one record; 0: each is a record of its own */
  uint32_t count;
  double first_ns; /* when the question of the first of them was sent */
  struct record last; /* the newest answer, condensed or not */
};

/* What is asked, once or repeatedly. */
struct series {
  struct timer due; /* not set once it was sent, if it is not repeated */
  uint32_t slot;
  double id;
  struct lane *lane;
  int64_t interval_ns; /* 0: once */
  int64_t timeout_ns;
  int64_t flow;  /* index of the source port; -1: another one each time */
  int64_t round; /* counts questions, so that one left out leaves no port out */
  bool has_failed;
  struct condensed condensed;
  uint32_t payload_bytes;
  uint16_t port;
  uint16_t ssid;          /* of STAMP: its session */
  uint32_t next_sequence; /* of STAMP: of the session */
  bool is_light;          /* of STAMP: the reflector may drop TLVs */
  union address to;
  struct hmac_key key;
  struct packet_options options;
};

/* A responder for UDP (responder.c). */
struct responder;

struct command {
  struct command *next;
  enum { COMMAND_ADD, COMMAND_REMOVE, COMMAND_LANE, COMMAND_LANE_GONE, COMMAND_RESPONDER, COMMAND_RESPONDER_GONE } kind;
  uint32_t slot;
  struct series *series;
  struct lane *lane;
  struct responder *responder;
};

/* Packets to be handed to the kernel together. */
struct outbox {
  struct lane_socket *socket; /* of all of them */
  uint32_t count;
  size_t used;
  struct question *questions[BATCH];
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  uint8_t bytes[128 << 10];
};

struct engine {
  struct timed_thread timed;
  pthread_t thread;
  int epoll;
  int wake; /* eventfd */

  /* What JavaScript hands over. */
  pthread_mutex_t mutex;
  struct command *first_command;
  struct command **last_command;
  bool is_stopping;
  uint32_t responders_gone;
  pthread_cond_t responder_gone;
  atomic_bool is_asleep;

  /* Of the thread alone. */
  struct lane *lanes;
  struct responder *responders;
  struct series **slots;
  uint32_t slot_count;
  struct questions questions;
  struct timers due;
  struct timers deadlines;
  int64_t look_ns; /* when to read sockets that do not wake the thread; INT64_MAX when nothing is awaited on them */
  int64_t look_step_ns;
  int64_t read_all_ns; /* when all sockets were read last */
  struct random random;
  struct utc utc;
  struct outbox outbox;
  uint8_t *packets; /* where all its sockets read to */

  /* Records. */
  struct engine_memory *memory;
  atomic_uint head;
  atomic_uint tail;
  struct waiting_record *first_waiting;
  struct waiting_record **last_waiting;
  bool must_notify;
  atomic_int failed; /* errno with which the thread ended by itself */
  void (*notify)(struct engine *);
};

/* Starts the thread. Returns 0 or an errno. */
int engine_start(struct engine *engine);

/* Ends the thread and frees all it has. */
void engine_stop(struct engine *engine);

/* Hands a command over; it is carried out after the next engine_wake. Takes it, and what it points to. */
void engine_command(struct engine *engine, struct command *command);
void engine_wake(struct engine *engine);

/* Closes a responder, and returns when its port is free. */
void engine_close_responder(struct engine *engine, struct command *command);

/* Lanes (lane.c), in the engine's thread. */
void lane_begin(struct lane *lane);
/* Forgets what was asked on it. Its series are gone. */
void lane_end(struct lane *lane);
void lane_free(struct lane *lane);
/* Sends the questions of all series that are due, up to a limit. Returns whether any are left. */
bool send_due(struct engine *engine, int64_t now_ns);
void read_socket(struct lane_socket *socket);
void expire(struct engine *engine, int64_t now_ns);
/* Gives its questions up: their answers will be late. */
void series_forget(struct series *series);
void series_end(struct engine *engine, struct series *series);

/* Condensed answers (condense.c). Returns whether the answer is one of them; otherwise it needs a record of its own. */
bool condense(struct engine *engine, struct series *series, const struct record *answer);
/* Writes what has been condensed, before anything else about its question is written. */
void condense_end(struct engine *engine, struct series *series);
void condense_end_of(struct engine *engine, const struct question *question);

/* Results (results.c). */
bool results_are_many(const struct engine *engine);
struct record *results_new(struct engine *engine, double id, bool must_arrive);
void results_add(struct engine *engine, struct record *record, bool is_urgent);
void results_flush(struct engine *engine);
void results_free(struct engine *engine);

#endif
