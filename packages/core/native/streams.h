#ifndef SCOUT_STREAMS_H
#define SCOUT_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>
#include <uv.h>

#include "address.h"
#include "callback.h"

struct addon;

/*
 * The TCP connections of a thread. They share one epoll descriptor, which the event loop polls, so that a wake-up serves all of
 * them with one call into JavaScript. This file defines the memory it reads then; all times are on the time line (time_line.h).
 */
enum {
  STREAM_ROWS = 64,
  STREAM_READ_BYTES = 65536,                 /* at most, from one stream and wake-up */
  STREAM_BYTES = 4 * STREAM_READ_BYTES,      /* from all streams and one wake-up */
  STREAM_TEXT_BYTES = STREAM_ROWS * ADDRESS_TEXT_BYTES,
};

enum stream_news { STREAM_CONNECTED, STREAM_ARRIVED, STREAM_WRITABLE, STREAM_ENDED, STREAM_FAILED };

/* One row for each stream with news. Fields that do not apply are 0. */
struct stream_row {
  double stream;
  double news;
  double number;      /* failed: errno */
  double at_ns;       /* connected: when this was noticed; arrived: of the last of these bytes */
  double clock;
  double left_ns;     /* arrived: when the last byte sent so far left by the kernel's clock; NaN when unknown */
  double start;       /* where the bytes are in the shared memory: arrived: the data; connected: the address of this side as text;
                         failed: the address of who sent the ICMP error */
  double length;      /* failed: 0 without an ICMP error */
  double port;        /* connected, failed: of this side */
  double rtt_us;      /* connected, failed: as in tcp_info.c */
  double retransmits;
  double send_mss;
  double type;        /* failed: of the ICMP error, as the next */
  double code;
};

struct stream_records {
  struct stream_row rows[STREAM_ROWS];
  uint8_t bytes[STREAM_BYTES + STREAM_TEXT_BYTES];
};

struct stream {
  int fd; /* -1 when this place is free */
  uint32_t generation;
  bool is_connected;
  bool is_stamped;   /* asks for the kernel's stamps of sent and received bytes */
  bool is_full;      /* waits until more can be written */
  uint32_t steps;    /* of the wall clock before it was connected */
  uint32_t sent;     /* bytes, as the kernel counts them */
  double left_ns;
};

struct streams {
  struct addon *addon;
  uv_poll_t poll;
  int epoll; /* -1 when closed */
  unsigned holders;

  struct callback callback;
  napi_async_cleanup_hook_handle cleanup;

  struct stream *places;
  uint32_t place_count;
  uint32_t open_count;

  struct stream_records *records;
  uint32_t rows;  /* filled in this wake-up */
  uint32_t bytes;
};

/* Begins a connection, and owns `fd` from then on. Returns 0 or an errno, with `fd` closed. */
int stream_connect(struct streams *streams, int fd, const union address *to, bool is_stamped, double *id);

/* Writes what the kernel takes. Returns 0 or an errno. */
int stream_write(struct streams *streams, struct stream *stream, const uint8_t *bytes, size_t length, size_t *written);

void stream_close(struct streams *streams, struct stream *stream);

/* Gives its descriptor away, connected and unread. */
int stream_release(struct streams *streams, struct stream *stream);

/* NULL when it is closed. */
struct stream *stream_of_id(struct streams *streams, double id);

/* Fills rows with what is new. */
void streams_read(struct streams *streams);

#endif
