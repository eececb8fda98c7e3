#include "responder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "socket_options.h"

enum {
  MOST_BATCHES = 16,
  /* Answers that are sealed and sent together, so that the time of departure in the first is not that of the sealing of many. */
  TOGETHER = 16,
};

/*
 * No request waits that long to be read, so an older stamp is of another clock. Answers are known by how close both their timestamps are
 * (stamp.c).
 */
static const int64_t longest_wait_ns = INT64_C(20) * 1000000000;

static int64_t unix_ns(const struct responder *responder, int64_t monotonic_ns)
{
  return monotonic_ns + responder->engine->timed.line.offset_ns;
}

/* Turns a genuine request into its answer, in place. */
static void reflect(struct responder *responder, struct reflected *answer, const struct arrived_packet *packet)
{
  const struct control *control = packet->control;
  int64_t now_ns = time_line_read();

  bool is_credible = now_ns - packet->at_ns < longest_wait_ns;
  utc_look(&responder->engine->utc, now_ns);
  struct session *session =
    sessions_find(responder->sessions, &responder->engine->random, &answer->to,
                  stamp_asked_by(!responder->key.is_empty, answer->bytes).ssid, now_ns);
  const struct stamp_reflection reflection = {
    .sequence = session->next++,
    .received_ns = unix_ns(responder, is_credible ? packet->at_ns : now_ns),
    .received_by = is_credible && packet->clock == CLOCK_OF_KERNEL ? STAMPED_BY_KERNEL : STAMPED_BY_PROCESS,
    .utc = responder->engine->utc,
    .ttl = control->ttl,
    .traffic_class = control->traffic_class,
    .has_previous = session->previous_ns != 0,
    .previous = session->previous,
    .previous_ns = session->previous_ns,
    .previous_by = session->is_stamped ? STAMPED_BY_KERNEL : STAMPED_BY_PROCESS,
  };
  const struct stamp_wish wish = stamp_reflect(&responder->key, answer->bytes, answer->length, &reflection);

  answer->session = session;
  answer->session_id = session->id;
  answer->sequence = reflection.sequence;
  answer->has_follow_up = wish.has_follow_up;
  if (wish.traffic_class >= 0)
    packet_options_class(&answer->options, answer->to.any.sa_family, wish.traffic_class);
  if (wish.has_follow_up)
    packet_options_stamp(&answer->options);
}

/* Answers go out from the address the request was sent to, of those of this host. */
static void arrived(struct timed_socket *timed, const struct arrived_packet *packet)
{
  struct responder *responder = (struct responder *)timed;
  struct reflected *answer = &responder->answers[responder->count];
  /* The socket's own scratch: it may be written to until the next reading. */
  uint8_t *bytes = timed->packets + (packet->bytes - timed->packets);

  *answer = (struct reflected){.bytes = bytes, .length = packet->length, .to = packet->from->ip};
  packet_options_source(&answer->options, &packet->control->local);
  /* Source port 0 means that no answer is expected (RFC 768), and none can be sent to it. */
  if (address_port(&answer->to) == 0 || packet->is_truncated ||
      !stamp_is_request(&responder->key, bytes, packet->length)) {
    responder->counts->rejected++;
    return;
  }
  reflect(responder, answer, packet);
  responder->count++;
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

/* The session of an answer, if its place has not been given to another one. */
static struct session *session_of(struct session *session, uint32_t id)
{
  return session != NULL && session->id == id ? session : NULL;
}

/* The next answer of its session tells when it left. */
static void left(struct timed_socket *timed, uint32_t kernel_id, int64_t left_ns)
{
  struct responder *responder = (struct responder *)timed;
  const struct followed *followed = &responder->followed[kernel_id % BATCH];
  struct session *session = session_of(followed->session, followed->session_id);
  int64_t at_ns = unix_ns(responder, left_ns);

  /* A stamp that is older than its packet was counted before the last restart of the kernel's count. */
  if (session == NULL || followed->kernel_id != kernel_id || session->previous != followed->sequence ||
      at_ns < followed->sent_ns - responder->engine->timed.line.doubt_ns)
    return;
  session->previous_ns = at_ns;
  session->is_stamped = true;
}

static const struct timed_socket_events responder_events = {
  .arrived = arrived,
  .failed = failed,
  .must_read_errors = read_stamps,
  .left = left,
};

static void follow(struct responder *responder, const struct reflected *answer)
{
  uint32_t kernel_id = responder->next_kernel_id++;

  responder->followed[kernel_id % BATCH] = (struct followed){
    .kernel_id = kernel_id,
    .session = answer->session,
    .session_id = answer->session_id,
    .sequence = answer->sequence,
    .sent_ns = answer->sent_ns,
  };
}

/* Whether the kernel has counted a packet that it refused depends on the kernel (departures.h). */
static void restart_count(struct responder *responder)
{
  if (responder->next_kernel_id == 0 || stamp_on_demand(responder->timed.fd) != 0)
    return;
  responder->next_kernel_id = 0;
  memset(responder->followed, 0, sizeof responder->followed);
}

struct sending {
  struct responder *responder;
  const struct reflected *answers;
};

static void sent(void *context, uint32_t index, int error, uint64_t ticket)
{
  const struct sending *sending = context;
  struct responder *responder = sending->responder;
  const struct reflected *answer = &sending->answers[index];

  (void)ticket;
  if (error != 0) {
    responder->counts->unsent++;
    restart_count(responder);
    return;
  }
  responder->counts->answered++;
  if (answer->has_follow_up)
    follow(responder, answer);
}

static void seal(struct responder *responder, struct reflected *answer)
{
  struct session *session = session_of(answer->session, answer->session_id);

  answer->sent_ns = unix_ns(responder, time_line_read());
  stamp_seal(&responder->key, answer->bytes, answer->sent_ns);
  if (session == NULL)
    return;
  session->previous = answer->sequence;
  session->previous_ns = answer->sent_ns;
  session->is_stamped = false;
}

static void send_together(struct responder *responder, struct reflected *answers, uint32_t count)
{
  struct sending sending = {.responder = responder, .answers = answers};
  struct mmsghdr messages[TOGETHER];
  struct iovec vectors[TOGETHER];

  for (uint32_t i = 0; i < count; i++) {
    vectors[i] = (struct iovec){.iov_base = answers[i].bytes, .iov_len = answers[i].length};
    messages[i].msg_hdr = (struct msghdr){
      .msg_name = &answers[i].to,
      .msg_namelen = address_length(&answers[i].to),
      .msg_iov = &vectors[i],
      .msg_iovlen = 1,
    };
    set_packet_options(&messages[i].msg_hdr, &answers[i].options);
    seal(responder, &answers[i]);
  }
  transmit_many(&responder->timed, messages, count, sent, &sending);
}

static void answer(struct responder *responder)
{
  for (uint32_t from = 0; from < responder->count; from += TOGETHER) {
    uint32_t left_over = responder->count - from;

    send_together(responder, &responder->answers[from], left_over < TOGETHER ? left_over : TOGETHER);
  }
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
  /* When an answer left is of use only to the sessions that ask, so the kernel need not stamp the others. */
  if (stamp_on_demand(timed->fd) == 0)
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
