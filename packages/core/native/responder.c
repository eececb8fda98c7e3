#include "responder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "formats.h"

enum { MOST_BATCHES = 16 };

/* Answers go out from the address the request was sent to, of those of this host. */
static void arrived(struct timed_socket *timed, const struct arrived_packet *packet)
{
  struct responder *responder = (struct responder *)timed;
  /* The socket's own scratch: it may be written to until the next reading. */
  uint8_t *bytes = timed->packets + (packet->bytes - timed->packets);
  const union address *from = &packet->from->ip;

  /* Source port 0 means that no answer is expected (RFC 768), and none can be sent to it. */
  if (address_port(from) == 0 || packet->is_truncated || !echo_datagram_reply(&responder->key, bytes, packet->length)) {
    responder->counts->rejected++;
    return;
  }
  uint32_t index = responder->count++;
  responder->bytes[index] = bytes;
  responder->lengths[index] = packet->length;
  responder->to[index] = *from;
  packet_options_source(&responder->options[index], &packet->control->local);
}

/* An answer went to a port that is closed by now, or this host was too busy: the prober counts both. */
static void failed(struct timed_socket *timed, const struct failed_packet *packet)
{
  (void)timed;
  (void)packet;
}

static void read_stamps(struct timed_socket *timed)
{
  receive_errors(timed);
}

static const struct timed_socket_events responder_events = {
  .arrived = arrived,
  .failed = failed,
  .must_read_errors = read_stamps,
};

static void sent(void *context, uint32_t index, int error, uint64_t ticket)
{
  struct responder *responder = context;

  (void)index;
  (void)ticket;
  if (error == 0)
    responder->counts->answered++;
  else
    responder->counts->unsent++;
}

static void answer(struct responder *responder)
{
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];

  for (uint32_t i = 0; i < responder->count; i++) {
    vectors[i] = (struct iovec){.iov_base = responder->bytes[i], .iov_len = responder->lengths[i]};
    messages[i].msg_hdr = (struct msghdr){
      .msg_name = &responder->to[i],
      .msg_namelen = address_length(&responder->to[i]),
      .msg_iov = &vectors[i],
      .msg_iovlen = 1,
    };
    set_packet_options(&messages[i].msg_hdr, &responder->options[i]);
  }
  transmit_many(&responder->timed, messages, responder->count, sent, responder);
  responder->count = 0;
}

void responder_begin(struct responder *responder)
{
  struct timed_socket *timed = &responder->timed;

  timed->events = &responder_events;
  timed->thread = &responder->engine->timed;
  timed->packets = responder->engine->packets;
  timed->packet_bytes = 65536;
  timed->batch = BATCH;
  timed_socket_start(timed);
  /* Nobody asks when an answer left, so the kernel need not say. */
  if (setsockopt(timed->fd, SOL_SOCKET, SO_TIMESTAMPING, &(int){0}, sizeof(int)) == 0)
    timed->is_stamped = timed->is_counting = false;
}

bool responder_read(struct engine *engine, struct timed_socket *timed)
{
  if (timed->events != &responder_events)
    return false;
  /* A flood must not keep the thread from its own questions. */
  for (int i = 0; i < MOST_BATCHES; i++) {
    struct reading reading = receive(timed);

    ((struct responder *)timed)->counts->dropped += reading.dropped;
    answer((struct responder *)timed);
    if (reading.is_drained)
      break;
  }
  (void)engine;
  return true;
}

void responder_free(struct responder *responder)
{
  /* A child between fork and exec keeps a closed descriptor in its epoll. */
  if (responder->timed.fd >= 0)
    epoll_ctl(responder->engine->epoll, EPOLL_CTL_DEL, responder->timed.fd, NULL);
  if (responder->timed.fd >= 0)
    close(responder->timed.fd);
  free(responder->timed.departures.ring);
  free(responder->timed.departures.kernel_ids);
  free(responder);
}
