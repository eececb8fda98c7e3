#ifndef SCOUT_TIMED_SOCKET_H
#define SCOUT_TIMED_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if_packet.h>

#include "address.h"
#include "control.h"
#include "departures.h"
#include "records.h"
#include "socket_kind.h"
#include "stamping.h"
#include "time_line.h"

enum {
  BATCH = 64,
  /* The stamps (three timespecs), an extended error with its offender, TTL, TOS and local address, each with its header: 248 bytes. */
  CONTROL_BYTES = 256,
};

union receive_name {
  struct sockaddr any;
  struct sockaddr_ll link;
  union address ip;
};

/* Messages of one recvmmsg. */
struct receive_batch {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  union receive_name names[BATCH];
  union {
    struct cmsghdr header;
    unsigned char bytes[CONTROL_BYTES];
  } controls[BATCH];
};

/* What the sockets of a thread share. A reading is over before the next begins, so they share its scratch, too. */
struct timed_thread {
  struct time_line line;
  struct stamping stamping;
  struct receive_batch packets;
  struct receive_batch errors;
  uint8_t error_packets[BATCH][ERROR_BYTES];
};

void timed_thread_start(struct timed_thread *thread);
void timed_thread_stop(struct timed_thread *thread);

/* Valid only during the call that hands it over. */
struct arrived_packet {
  const uint8_t *bytes; /* behind an IPv4 header */
  uint32_t length;      /* of what is there */
  bool is_truncated;    /* the packet was longer */
  int64_t at_ns;
  enum clock clock;
  const struct control *control;
  const union receive_name *from;
};

/* An ICMP error, which is about a packet that this socket sent. */
struct failed_packet {
  const uint8_t *bytes; /* of that packet, from its transport header (ICMP, TCP) or payload (UDP) on */
  uint32_t length;
  int64_t at_ns;
  enum clock clock;
  const struct control *control;
  const union address *to;
};

struct timed_socket;

/* What the owner of a socket does with its news. */
struct timed_socket_events {
  void (*arrived)(struct timed_socket *, const struct arrived_packet *);
  void (*failed)(struct timed_socket *, const struct failed_packet *);
  /* The number of errors `failed` can take now; NULL when it always can. */
  uint32_t (*error_room)(const struct timed_socket *);
  /* The error queue needs to be read (receive_errors), because sent packets fill it with stamps. */
  void (*must_read_errors)(struct timed_socket *);
  /* A packet left: the kernel's number of it among those with a stamp. NULL where `departures` has the stamps. */
  void (*left)(struct timed_socket *, uint32_t kernel_id, int64_t left_ns);
};

/* A socket whose packets the kernel stamps; it belongs to one thread. */
struct timed_socket {
  const struct socket_kind *kind;
  const struct timed_socket_events *events;
  struct timed_thread *thread;
  int fd; /* -1 when closed */

  uint8_t *packets; /* where packets are read to: `batch` times packet_bytes */
  size_t packet_bytes;
  unsigned batch; /* packets read at once, at most BATCH */

  struct departures departures;
  bool is_stamped;  /* departures are stamped */
  bool is_counting; /* the kernel's count of sent packets is known */
  unsigned sent_since_drain;
  uint32_t local_mtu; /* of the last packet this host refused as too big; 0 when unknown */

  int64_t opened_ns;
  uint32_t trusted_steps; /* stamps are trusted if the wall clock was stepped no more than this often */
  uint32_t dropped;       /* as last reported */
};

/* Opens the descriptor of socket->kind: see NativeSocketOptions. On failure an exception is pending, and the caller closes `fd`. */
bool timed_socket_open(napi_env env, struct timed_socket *socket, napi_value options);

/* Begins its use by its thread; fields up to `departures` are set by the caller. */
void timed_socket_start(struct timed_socket *socket);

/* What one reading of a socket brought. */
struct reading {
  uint32_t arrivals;
  uint32_t dropped; /* because the receive buffer was full */
  bool is_drained;  /* nothing was left */
};

/* Reads at most one batch of packets. Before they are handed over it reads the error queue, which has the stamps of their requests. */
struct reading receive(struct timed_socket *socket);

/* Reads the error queue alone: stamps into the ring of departures, errors to `failed`. Returns whether it is empty. */
bool receive_errors(struct timed_socket *socket);

/* Sends one packet; returns 0 or an errno. */
int transmit(struct timed_socket *socket, struct msghdr *message);

/* Called for each packet of transmit_many in turn, with 0 or an errno, and its ticket. */
typedef void (*transmitted)(void *context, uint32_t index, int error, uint64_t ticket);

/* Sends up to BATCH packets with as few system calls as possible. */
void transmit_many(struct timed_socket *socket, struct mmsghdr *messages, uint32_t count, transmitted outcome, void *context);

#endif
