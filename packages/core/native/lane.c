#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "formats.h"
#include "stamp.h"

enum {
  /* What is read of one socket before the others have their turn. */
  MOST_BATCHES = 64,
  /* What is sent before the sockets are read again, so that answers to a big round do not overflow their buffer. */
  MOST_AT_ONCE = 4 * BATCH,
  /* When to look for the first answers; most are there by then. */
  FIRST_LOOK_NS = 2000000,
};

/*
 * How long repeated questions leave from one port. Firewalls and address translation treat packets of a flow that they know as the first one:
 * one that is in use for ever would not tell that new ones no longer pass. The ports of a lane change in generations, within one turn:
 * where only some of them had, it would look like loss.
 */
static const int64_t port_life_ns = 64000000000;
/* The first change comes soon, so that what is wrong with it shows at the start. */
static const int64_t first_port_life_ns = 4000000000;
/* How long a port stays that was asked for by its index: what is found of one is compared with what is found of it later. */
static const int64_t port_kept_ns = 30000000000;

static struct lane_socket *lane_socket_of(struct timed_socket *timed)
{
  return (struct lane_socket *)timed;
}

static struct engine *engine_of(const struct lane_socket *socket)
{
  return socket->lane->engine;
}

static bool is_datagram(const struct lane_socket *socket)
{
  return socket->timed.kind->protocol == IPPROTO_UDP;
}

/*
 * Whether an address is the one that something was sent to. Raw and ping sockets have no ports of their own; an interface counts only where both sides
 * name it.
 */
static bool is_to(const struct lane_socket *socket, const union address *to, const union address *from)
{
  if (to->any.sa_family != from->any.sa_family || (is_datagram(socket) && address_port(to) != address_port(from)))
    return false;
  if (from->any.sa_family == AF_INET)
    return to->v4.sin_addr.s_addr == from->v4.sin_addr.s_addr;
  return memcmp(&to->v6.sin6_addr, &from->v6.sin6_addr, sizeof from->v6.sin6_addr) == 0 &&
         (to->v6.sin6_scope_id == 0 || from->v6.sin6_scope_id == 0 || to->v6.sin6_scope_id == from->v6.sin6_scope_id);
}

/* Whether a packet came from where a question went, to the socket that asked. */
static bool is_from(const struct lane_socket *socket, const struct question *question, const union address *from)
{
  return question->socket == socket && is_to(socket, &question->to, from);
}

static double wall_clock_ms(void)
{
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double on_line(const struct lane_socket *socket, int64_t at_ns)
{
  return time_line_at(&socket->timed.thread->line, at_ns);
}

/* Fills the time since the packet left, and the clock of its departure: this process's when there is no stamp, or no more. */
static void since_departure(const struct question *question, double at_ns, double *took_ns, uint32_t *clock)
{
  const struct departure *departure = departures_find(&question->socket->timed.departures, question->ticket);
  bool is_stamped = departure != NULL && !isnan(departure->left_ns);

  *clock = is_stamped ? CLOCK_OF_KERNEL : CLOCK_OF_PROCESS;
  *took_ns = at_ns - (is_stamped ? departure->left_ns : on_line(question->socket, question->handed_ns));
}

/* It is remembered, without anyone waiting for it. */
static void question_end(struct question *question)
{
  struct engine *engine = engine_of(question->socket);

  timers_cancel(&engine->deadlines, &question->deadline);
  question->is_pending = false;
  question->socket->pending--;
  engine->questions.pending--;
  engine->memory->counts.in_flight--;
}

static void give_up_for(void *context, struct question *question)
{
  if (question->series != context)
    return;
  question_end(question);
  question->series = NULL;
}

void series_forget(struct series *series)
{
  questions_each_pending(&series->lane->engine->questions, give_up_for, series);
}

static struct record *result_of(struct question *question, enum record_kind kind)
{
  struct engine *engine = engine_of(question->socket);
  struct series *series = question->series;

  if (series == NULL)
    return NULL;
  if (kind != RECORD_ANSWERED)
    condense_end(engine, series);
  struct record *record = results_new(engine, series->id, series->interval_ns == 0);
  if (record == NULL)
    return NULL;
  record->kind = kind;
  record->started_ns = (double)question->handed_ns;
  record->started_ms = question->started_ms;
  record->ended_ns = (double)time_line_read();
  record->sequence = question->sequence;
  record->source_port = question->source_port;
  return record;
}

/* Urgent: a result that someone waits for, a failure, or the first success after one. */
static void give_result(struct question *question, struct record *record)
{
  struct engine *engine = engine_of(question->socket);
  struct series *series = question->series;

  if (series == NULL)
    return;
  if (record != NULL) {
    bool has_failed = record->kind != RECORD_ANSWERED || record->flags != 0;

    results_add(engine, record, series->interval_ns == 0 || has_failed || series->has_failed);
    series->has_failed = has_failed;
  }
  question->series = NULL;
  if (series->interval_ns == 0)
    series_end(engine, series);
}

/* An answer is condensed where that was asked for and nothing has changed. */
static void give_answer(struct question *question, struct record *record)
{
  struct engine *engine = engine_of(question->socket);
  struct series *series = question->series;

  if (record != NULL && series->condensed.most > 0) {
    /* What was condensed before may need its row. */
    const struct record answer = *record;

    if (condense(engine, series, &answer)) {
      question->series = NULL;
      return;
    }
    record = results_new(engine, series->id, false);
    if (record != NULL)
      *record = answer;
  }
  give_result(question, record);
}

static struct record *new_stray(struct lane_socket *socket, enum stray_kind kind, const union address *from, double after_ns)
{
  /* Strays come from anyone: they may take half of the room, and wake nobody. */
  struct record *record =
    results_are_many(engine_of(socket)) ? NULL : results_new(engine_of(socket), socket->lane->number, false);

  if (record == NULL)
    return NULL;
  record->kind = RECORD_STRAY;
  record->flags = kind;
  record->took_ns = after_ns;
  record->port = is_datagram(socket) ? address_port(from) : 0;
  record->address_length = address_format(from, record->address);
  return record;
}

static void give_stray(struct lane_socket *socket, enum stray_kind kind, const union address *from, double after_ns)
{
  struct record *record = new_stray(socket, kind, from, after_ns);

  if (record != NULL)
    results_add(engine_of(socket), record, socket->lane->is_prompt);
}

/* Once for each answer, however many copies come. */
static void tell_copy(struct question *question, const uint8_t *bytes, struct record *record)
{
  record->copy_of = question->asked_by;
  record->copied = question->stamp_reflected;
  record->reflected = stamp_number_of_answer(bytes);
  question->has_copy_to_tell = false;
}

static void arrived_unasked(struct lane_socket *socket, struct question *question, const struct arrived_packet *packet, double at_ns)
{
  const union address *from = &packet->from->ip;
  uint32_t clock;
  double after_ns = (double)NAN;

  /* An answer that is awaited on another socket, or from another address, is forged. */
  if (question == NULL || question->is_pending || !is_to(socket, &question->to, from)) {
    give_stray(socket, STRAY_FOREIGN, from, after_ns);
    return;
  }
  since_departure(question, at_ns, &after_ns, &clock);
  if (question->has_copy_to_tell)
    condense_end_of(engine_of(socket), question);
  struct record *record = new_stray(socket, question->was_answered ? STRAY_DUPLICATE : STRAY_LATE, from, after_ns);
  question->was_answered = true;
  if (record == NULL)
    return;
  if (question->has_copy_to_tell)
    tell_copy(question, packet->bytes, record);
  results_add(engine_of(socket), record, socket->lane->is_prompt);
}

/* Remembers that an address sent something of another format. */
static void note_stranger(struct lane_socket *socket, const union address *from)
{
  struct stranger *stranger = NULL;

  for (int i = 0; i < STRANGERS && stranger == NULL; i++)
    if (socket->strangers[i].at_ns != 0 && is_to(socket, &socket->strangers[i].from, from))
      stranger = &socket->strangers[i];
  if (stranger == NULL)
    stranger = &socket->strangers[socket->next_stranger++ % STRANGERS];
  *stranger = (struct stranger){.from = *from, .at_ns = time_line_read()};
}

static bool was_answered_by_stranger(const struct question *question)
{
  const struct lane_socket *socket = question->socket;

  for (int i = 0; i < STRANGERS; i++)
    if (socket->strangers[i].at_ns >= question->handed_ns && is_to(socket, &question->to, &socket->strangers[i].from))
      return true;
  return false;
}

/* It has no number of this lane's, so it is no answer, and nothing ends by it. */
static void arrived_strange(struct lane_socket *socket, const struct arrived_packet *packet)
{
  const struct format *format = socket->lane->format;
  const union address *from = &packet->from->ip;
  struct question *question = format->find_alike(socket->lane, packet->bytes, packet->length);

  if (question != NULL && question->is_pending && is_from(socket, question, from))
    question->doubts |= FLAG_ALTERED;
  else if (format->is_shared)
    return;
  else
    note_stranger(socket, from);
  give_stray(socket, STRAY_FOREIGN, from, (double)NAN);
}

/* An answer is not older than its question: such a stamp is of a clock that was stepped. */
static int64_t arrival_ns(const struct question *question, const struct arrived_packet *packet, enum clock *clock)
{
  if (question == NULL || packet->at_ns >= question->handed_ns)
    return packet->at_ns;
  *clock = CLOCK_OF_PROCESS;
  return time_line_read();
}

static void arrived(struct timed_socket *timed, const struct arrived_packet *packet)
{
  struct lane_socket *socket = lane_socket_of(timed);
  const struct format *format = socket->lane->format;
  const union address *from = &packet->from->ip;
  double took_ns;
  uint32_t clock;
  bool is_ours;
  struct question *question = format->find(socket->lane, packet->bytes, packet->length, &is_ours);
  enum clock arrival_clock = packet->clock;
  int64_t arrived_ns = arrival_ns(question, packet, &arrival_clock);
  double at_ns = on_line(socket, arrived_ns);

  if (!is_ours) {
    arrived_strange(socket, packet);
    return;
  }
  if (question == NULL || !question->is_pending || !is_from(socket, question, from)) {
    arrived_unasked(socket, question, packet, at_ns);
    return;
  }
  bool is_genuine = true;
  uint32_t flags = question->series == NULL ? 0 : format->judge(question, packet->bytes, packet->length, &is_genuine);
  if (!is_genuine) {
    question->doubts |= flags;
    give_stray(socket, STRAY_FOREIGN, from, (double)NAN);
    return;
  }
  since_departure(question, at_ns, &took_ns, &clock);
  question->was_answered = true;
  question_end(question);
  if (question->series == NULL)
    return;
  /* It is late by the kernel's clock, although the deadline was not decided yet. */
  bool is_late = arrival_clock == CLOCK_OF_KERNEL && took_ns > (double)question->series->timeout_ns;
  if (is_late)
    give_stray(socket, STRAY_LATE, from, took_ns);
  struct record *record = result_of(question, is_late ? RECORD_SILENT : RECORD_ANSWERED);
  if (record != NULL) {
    record->took_ns = took_ns;
    record->tx_clock = clock;
    record->rx_clock = arrival_clock;
    record->length = packet->length;
    record->ttl = packet->control->ttl;
    record->traffic_class = packet->control->traffic_class;
    if (!is_late)
      record->flags = flags;
    if (!is_late && format->tell != NULL && flags == 0) {
      format->tell(question, packet->bytes, arrived_ns, record);
      question->asked_by = record->id;
      question->stamp_reflected = record->reflected;
      question->has_copy_to_tell = true;
    }
  }
  if (is_late)
    give_result(question, record);
  else
    give_answer(question, record);
}

struct search {
  const struct lane_socket *socket;
  const union address *to;
  struct question *found;
  uint32_t count;
};

static void match(void *context, struct question *question)
{
  struct search *search = context;

  if (!question->is_sent || !is_from(search->socket, question, search->to))
    return;
  search->found = question;
  search->count++;
}

/* The only question from this socket to that endpoint that is in flight; NULL when there is none, or another one. */
static struct question *only_one_to(const struct lane_socket *socket, const union address *to)
{
  struct search search = {.socket = socket, .to = to};

  if (socket->pending > 0)
    questions_each_pending(&engine_of(socket)->questions, match, &search);
  return search.count == 1 ? search.found : NULL;
}

static void fill_error(struct record *record, const struct question *question, const struct icmp_error *error)
{
  since_departure(question, error->at_ns, &record->took_ns, &record->tx_clock);
  record->rx_clock = error->clock;
  record->number = error->number;
  record->type = error->type;
  record->code = error->code;
  record->info = error->info;
  record->address_length = address_format(&error->from, record->address);
}

/*
 * An error that quotes only ports may be made by anyone who knows them, as each target does. So it ends no question: it is
 * reported where no answer comes, of the only question it can be about.
 */
static void note_likely_error(struct lane_socket *socket, const union address *to, const struct icmp_error *error)
{
  struct question *question = only_one_to(socket, to);

  give_stray(socket, STRAY_FOREIGN, to, (double)NAN);
  if (question == NULL)
    return;
  if (question->likely_error == NULL)
    question->likely_error = malloc(sizeof *error);
  if (question->likely_error != NULL)
    *question->likely_error = *error;
}

static void failed(struct timed_socket *timed, const struct failed_packet *packet)
{
  struct lane_socket *socket = lane_socket_of(timed);
  const struct sock_extended_err *said = &packet->control->error;
  const struct icmp_error error = {
    .at_ns = on_line(socket, packet->at_ns),
    .clock = packet->clock,
    .number = said->ee_errno,
    .type = said->ee_type,
    .code = said->ee_code,
    .info = said->ee_info,
    .from = packet->control->offender,
  };
  enum quoted quoted;
  struct question *question =
    socket->lane->format->find_quoted(socket->lane, packet->bytes, packet->length, &quoted);

  if (question == NULL && quoted == QUOTED_LITTLE)
    note_likely_error(socket, packet->to, &error);
  else if (question == NULL && quoted == QUOTED_UNKNOWN)
    give_stray(socket, STRAY_FOREIGN, packet->to, (double)NAN);
  if (question == NULL || !question->is_pending || !question->is_sent || !is_from(socket, question, packet->to))
    return;
  question_end(question);
  struct record *record = result_of(question, RECORD_ICMP);
  if (record != NULL)
    fill_error(record, question, &error);
  give_result(question, record);
}

static void read_stamps(struct timed_socket *timed)
{
  receive_errors(timed);
}

static const struct timed_socket_events lane_events = {
  .arrived = arrived,
  .failed = failed,
  .must_read_errors = read_stamps,
};

void lane_begin(struct lane *lane)
{
  lane->sender = (uint32_t)random_next(&lane->engine->random);
  for (uint32_t i = 0; i < lane->socket_count; i++) {
    struct timed_socket *timed = &lane->sockets[i].timed;

    timed->events = &lane_events;
    timed->thread = &lane->engine->timed;
    timed->packets = lane->engine->packets;
    timed->packet_bytes = 65536;
    timed->batch = BATCH;
    timed_socket_start(timed);
  }
  lane->renew_ns = time_line_read() + first_port_life_ns;
}

/* Disconnecting releases a port that the kernel has chosen (udp(7)); the socket, its options and its stamps stay. */
static void take_another_port(struct lane_socket *socket)
{
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  int fd = socket->timed.fd;
  union address own = {0};
  socklen_t length = sizeof own;

  socket->generation = socket->lane->generation;
  if (connect(fd, &nobody, sizeof nobody) != 0 || getsockname(fd, &own.any, &length) != 0)
    return;
  /* If none is free now, the next packet takes one. */
  if (bind(fd, &own.any, length) == 0)
    getsockname(fd, &own.any, &length);
  socket->lane->ports[socket - socket->lane->sockets] = address_port(&own);
}

static void forget(void *context, struct question *question)
{
  if (question->socket == NULL || question->socket->lane != context)
    return;
  if (question->is_pending)
    question_end(question);
  question->series = NULL;
  question->socket = NULL;
}

void lane_end(struct lane *lane)
{
  questions_each(&lane->engine->questions, forget, lane);
  lane_free(lane);
}

void lane_free(struct lane *lane)
{
  for (uint32_t i = 0; i < lane->socket_count; i++) {
    /* A child between fork and exec keeps a closed descriptor in its epoll. */
    if (lane->is_prompt)
      epoll_ctl(lane->engine->epoll, EPOLL_CTL_DEL, lane->sockets[i].timed.fd, NULL);
    if (lane->sockets[i].timed.fd >= 0)
      close(lane->sockets[i].timed.fd);
    free(lane->sockets[i].timed.departures.ring);
    free(lane->sockets[i].timed.departures.kernel_ids);
  }
  if (lane->route >= 0)
    close(lane->route);
  free(lane->ports);
  free(lane);
}

static void mark(void *context, struct question *question)
{
  if (question->socket == context)
    question->may_be_ours = true;
}

void read_socket(struct lane_socket *socket)
{
  for (int i = 0; i < MOST_BATCHES; i++) {
    struct reading reading = receive(&socket->timed);

    if (reading.dropped > 0)
      questions_each_pending(&engine_of(socket)->questions, mark, socket);
    if (reading.is_drained)
      return;
  }
}

static void refuse(struct question *question, int error)
{
  uint32_t mtu = question->socket->timed.local_mtu;
  struct series *series = question->series;

  question_end(question);
  /* It was not lost on the path, so its number in the session is given to the next one. */
  if (series != NULL && series->next_sequence == question->stamp_sequence + 1)
    series->next_sequence--;
  struct record *record = result_of(question, RECORD_UNSENT);
  if (record != NULL) {
    record->number = (uint32_t)error;
    record->info = error == EMSGSIZE ? mtu : 0;
  }
  give_result(question, record);
}

static void sent(void *context, uint32_t index, int error, uint64_t ticket)
{
  struct outbox *outbox = context;
  struct question *question = outbox->questions[index];

  question->ticket = ticket;
  question->is_sent = error == 0;
  /* An ICMP error about a packet of the same call may have ended it already. */
  if (error != 0 && question->is_pending)
    refuse(question, error);
}

static void empty(struct outbox *outbox)
{
  if (outbox->count > 0)
    transmit_many(&outbox->socket->timed, outbox->messages, outbox->count, sent, outbox);
  outbox->count = 0;
  outbox->used = 0;
}

static void put(struct outbox *outbox, struct question *question, uint32_t length)
{
  struct iovec *vector = &outbox->vectors[outbox->count];
  struct msghdr *message = &outbox->messages[outbox->count].msg_hdr;

  *vector = (struct iovec){.iov_base = outbox->bytes + outbox->used, .iov_len = length};
  *message = (struct msghdr){
    .msg_name = &question->to,
    .msg_namelen = address_length(&question->to),
    .msg_iov = vector,
    .msg_iovlen = 1,
  };
  set_packet_options(message, &question->series->options);
  outbox->questions[outbox->count++] = question;
  outbox->used += length;
}

/* All series of one interval leave from the same socket in one round, and from the next port in the next; others from any. */
static struct lane_socket *socket_for(struct series *series)
{
  struct lane *lane = series->lane;
  bool is_any = series->flow < 0;
  bool is_repeated = series->interval_ns > 0;
  int64_t flow = !is_any       ? series->flow
                 : is_repeated ? lane->sender % lane->socket_count + series->round++
                               : (int64_t)(random_next(&lane->engine->random) >> 1);
  struct lane_socket *socket = &lane->sockets[(uint64_t)flow % lane->socket_count];
  int64_t now_ns = time_line_read();

  if (!is_any)
    socket->kept_ns = now_ns + port_kept_ns;
  if (lane->renew_ns <= now_ns) {
    lane->renew_ns = now_ns + port_life_ns;
    lane->generation++;
  }
  /* Answers and errors come to the port that was asked from. */
  bool is_free = socket->pending == 0 && socket->kept_ns <= now_ns;
  if (is_any && is_repeated && is_datagram(socket) && is_free && socket->generation != lane->generation)
    take_another_port(socket);
  return socket;
}

/* There is no question to be asked: all numbers are in use, or there is no memory. */
static void give_up(struct engine *engine, struct series *series, int error)
{
  condense_end(engine, series);
  struct record *record = results_new(engine, series->id, series->interval_ns == 0);
  if (record != NULL) {
    record->kind = RECORD_UNSENT;
    record->number = (uint32_t)error;
    record->started_ns = record->ended_ns = (double)time_line_read();
    record->started_ms = wall_clock_ms();
    results_add(engine, record, true);
    series->has_failed = true;
  }
  if (series->interval_ns == 0)
    series_end(engine, series);
}

static void ask(struct engine *engine, struct series *series, struct lane_socket *socket)
{
  struct outbox *outbox = &engine->outbox;
  uint32_t length = series->lane->format->length(series);
  struct question *question = timers_reserve(&engine->deadlines, 1) ? questions_new(&engine->questions) : NULL;

  if (question == NULL) {
    give_up(engine, series, engine->questions.pending > engine->questions.mask / 2 ? EBUSY : ENOMEM);
    return;
  }
  question->series = series;
  question->slot = series->slot;
  question->socket = socket;
  question->length = length;
  question->to = series->to;
  question->port = series->port;
  question->source_port = is_datagram(socket) ? socket->lane->ports[socket - socket->lane->sockets] : 0;
  question->handed_ns = time_line_read();
  question->started_ms = wall_clock_ms();
  question->is_pending = true;
  socket->pending++;
  engine->questions.pending++;
  engine->memory->counts.in_flight++;
  timers_set(&engine->deadlines, &question->deadline, question->handed_ns + series->timeout_ns);
  if (outbox->socket != socket || outbox->count == BATCH || sizeof outbox->bytes - outbox->used < length) {
    empty(outbox);
    outbox->socket = socket;
  }
  int error = series->lane->format->write(question, outbox->bytes + outbox->used, length);
  if (error == 0)
    put(outbox, question, length);
  else
    refuse(question, error);
}

/* Sets when a repeated series is due next; rounds missed altogether are skipped, not made up for. */
static void reschedule(struct engine *engine, struct series *series, int64_t now_ns)
{
  int64_t late_ns = now_ns - series->due.at_ns;
  int64_t missed = late_ns / series->interval_ns;

  engine->memory->counts.started++;
  engine->memory->counts.skipped += (double)missed;
  if (missed > 0)
    engine->memory->counts.late++;
  timers_set(&engine->due, &series->due, series->due.at_ns + (missed + 1) * series->interval_ns);
}

bool send_due(struct engine *engine, int64_t now_ns)
{
  bool is_lazy = false;
  struct timer *first;

  for (int i = 0; i < MOST_AT_ONCE && (first = timers_first(&engine->due)) != NULL && first->at_ns <= now_ns; i++) {
    struct series *series = (struct series *)((char *)first - offsetof(struct series, due));
    struct lane_socket *socket = socket_for(series);

    timers_cancel(&engine->due, first);
    if (series->interval_ns > 0)
      reschedule(engine, series, now_ns);
    is_lazy |= !series->lane->is_prompt;
    ask(engine, series, socket);
  }
  empty(&engine->outbox);
  if (is_lazy) {
    engine->look_step_ns = FIRST_LOOK_NS;
    if (engine->look_ns > now_ns + FIRST_LOOK_NS)
      engine->look_ns = now_ns + FIRST_LOOK_NS;
  }
  first = timers_first(&engine->due);
  return first != NULL && first->at_ns <= now_ns;
}

void expire(struct engine *engine, int64_t now_ns)
{
  struct timer *first;

  while ((first = timers_first(&engine->deadlines)) != NULL && first->at_ns <= now_ns) {
    struct question *question = (struct question *)((char *)first - offsetof(struct question, deadline));

    question_end(question);
    if (was_answered_by_stranger(question))
      question->doubts |= FLAG_STRANGER;
    if (question->may_be_ours)
      question->doubts |= FLAG_MAY_BE_OURS;
    bool is_error = question->likely_error != NULL && question->doubts == 0;
    struct record *record = result_of(question, is_error ? RECORD_ICMP : RECORD_SILENT);
    if (record != NULL && is_error)
      fill_error(record, question, question->likely_error);
    else if (record != NULL)
      record->flags = question->doubts;
    give_result(question, record);
  }
}
