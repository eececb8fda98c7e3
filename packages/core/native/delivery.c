#include "delivery.h"

#include <string.h>

#include <uv.h>

#include "errors.h"

enum {
  /* A wake-up reads one batch and returns to the loop, which comes back for more; draining reads up to this many. */
  DRAIN_BATCHES = 512,
};

static struct packet_socket *owner_of(struct timed_socket *socket)
{
  return (struct packet_socket *)socket;
}

static void fill_arrival(struct timed_socket *timed, const struct arrived_packet *packet)
{
  struct packet_socket *socket = owner_of(timed);
  struct arrival *arrival = &socket->records->arrivals[socket->arrivals++];
  const union receive_name *from = packet->from;

  *arrival = (struct arrival){
    .at_ns = time_line_at(&timed->thread->line, packet->at_ns),
    .clock = packet->clock,
    .start = (uint32_t)(packet->bytes - (const uint8_t *)socket->records),
    .length = packet->length,
    .is_truncated = packet->is_truncated,
    .ttl = packet->control->ttl,
    .traffic_class = packet->control->traffic_class,
    .is_outgoing = from->any.sa_family == AF_PACKET && from->link.sll_pkttype == PACKET_OUTGOING,
    .port = address_port(&from->ip),
  };
  arrival->address_length = address_format(&from->ip, arrival->address);
  arrival->local_length = address_format(&packet->control->local, arrival->local);
}

static void fill_error(struct timed_socket *timed, const struct failed_packet *packet)
{
  struct packet_socket *socket = owner_of(timed);
  uint32_t row = socket->errors++;
  struct error *error = &socket->records->errors[row];
  uint8_t *bytes = socket->records->error_packets[row];

  memcpy(bytes, packet->bytes, packet->length);
  error->start = (uint32_t)(bytes - (uint8_t *)socket->records);
  error->length = packet->length;
  error->clock = packet->clock;
  error->at_ns = time_line_at(&timed->thread->line, packet->at_ns);
  error->number = packet->control->error.ee_errno;
  error->type = packet->control->error.ee_type;
  error->code = packet->control->error.ee_code;
  error->info = packet->control->error.ee_info;
  error->port = address_port(packet->to);
  error->address_length = address_format(packet->to, error->address);
  error->offender_length = address_format(&packet->control->offender, error->offender);
}

static uint32_t free_errors(const struct timed_socket *timed)
{
  return ERRORS - ((const struct packet_socket *)timed)->errors;
}

static void read_errors(struct timed_socket *timed)
{
  struct packet_socket *socket = owner_of(timed);

  /* The rows are being read. */
  if (socket->is_delivering)
    return;
  receive_errors(timed);
  if (socket->errors > 0)
    watch_socket(socket, true);
}

const struct timed_socket_events packet_socket_events = {
  .arrived = fill_arrival,
  .failed = fill_error,
  .error_room = free_errors,
  .must_read_errors = read_errors,
};

static bool has_news(const struct packet_socket *socket)
{
  return socket->arrivals > 0 || socket->errors > 0 || socket->dropped > 0;
}

/* Calls JavaScript with the number of rows to read; they are free again when it returns. */
static napi_status deliver(void *data)
{
  struct packet_socket *socket = data;
  const uint32_t numbers[] = {socket->arrivals, socket->errors, socket->dropped};

  socket->is_delivering = true;
  napi_status status = callback_call(&socket->callback, numbers, sizeof numbers / sizeof *numbers);
  socket->is_delivering = false;
  socket->arrivals = 0;
  socket->errors = 0;
  socket->dropped = 0;
  return status;
}

/* Reads a batch; its rows wait to be delivered. Returns whether nothing was left. */
static bool read_rows(struct packet_socket *socket)
{
  struct reading reading = receive(&socket->timed);

  socket->dropped = reading.dropped;
  return reading.is_drained;
}

/* libuv has stopped watching the descriptor, which SO_SELECT_ERR_QUEUE should prevent. */
static void report_stop(napi_env env, int status)
{
  napi_handle_scope scope;

  if (napi_open_handle_scope(env, &scope) != napi_ok)
    return;
  throw_errno(env, -status, "uv_poll");
  raise_uncaught(env);
  napi_close_handle_scope(env, scope);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  struct packet_socket *socket = poll->data;

  if (status < 0) {
    report_stop(socket->callback.env, status);
    return;
  }
  if ((events & UV_WRITABLE) != 0)
    watch_socket(socket, false);
  read_rows(socket);
  if (has_news(socket))
    callback_turn(&socket->callback, deliver, socket);
}

void watch_socket(struct packet_socket *socket, bool is_waiting)
{
  /* Fails on a closing handle only. */
  uv_poll_start(&socket->poll, UV_READABLE | UV_PRIORITIZED | (is_waiting ? UV_WRITABLE : 0), on_poll);
}

/* drain(): delivers everything that has arrived, then returns. */
napi_value drain(napi_env env, napi_callback_info info)
{
  struct packet_socket *socket = socket_of_call(env, info, 0, NULL);

  /* Not from within a delivery: its rows are still being read. */
  if (socket == NULL || socket->is_delivering)
    return NULL;
  for (int i = 0; i < DRAIN_BATCHES && socket->timed.fd >= 0; i++) {
    bool is_drained = read_rows(socket);

    if (has_news(socket) && deliver(socket) != napi_ok)
      return NULL; /* what the callback threw goes to the caller */
    if (is_drained)
      break;
  }
  return NULL;
}
