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

static bool has_news(const struct packet_socket *socket, const struct reading *reading)
{
  return socket->arrivals > 0 || socket->errors > 0 || reading->dropped > 0;
}

/* Calls JavaScript with the number of rows to read; they are free again when it returns. */
static napi_status deliver(struct packet_socket *socket, const struct reading *reading)
{
  napi_env env = socket->env;
  napi_value callback, receiver, arguments[3];
  napi_status status;

  if ((status = napi_get_reference_value(env, socket->callback, &callback)) != napi_ok ||
      (status = napi_get_undefined(env, &receiver)) != napi_ok ||
      (status = napi_create_uint32(env, socket->arrivals, &arguments[0])) != napi_ok ||
      (status = napi_create_uint32(env, socket->errors, &arguments[1])) != napi_ok ||
      (status = napi_create_uint32(env, reading->dropped, &arguments[2])) != napi_ok)
    return status;
  socket->is_delivering = true;
  status = napi_call_function(env, receiver, callback, 3, arguments, NULL);
  socket->is_delivering = false;
  socket->arrivals = 0;
  socket->errors = 0;
  return status;
}

/* Hands an uncaught exception to process.on('uncaughtException'), like any callback of Node. */
static void raise_uncaught(napi_env env)
{
  napi_value exception;
  bool is_pending;

  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

static void wake_up(struct packet_socket *socket)
{
  napi_env env = socket->env;
  struct reading reading = receive(&socket->timed);
  napi_callback_scope scope;
  napi_value resource;

  if (!has_news(socket, &reading))
    return;
  /* Closing the scope runs process.nextTick callbacks and promises. */
  if (napi_create_object(env, &resource) != napi_ok ||
      napi_open_callback_scope(env, resource, socket->context, &scope) != napi_ok)
    return;
  if (deliver(socket, &reading) != napi_ok)
    raise_uncaught(env);
  napi_close_callback_scope(env, scope);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  struct packet_socket *socket = poll->data;
  napi_env env = socket->env;
  napi_handle_scope scope;

  if (napi_open_handle_scope(env, &scope) != napi_ok)
    return;
  if (status < 0) {
    /* libuv has stopped watching the descriptor, which SO_SELECT_ERR_QUEUE should prevent. */
    throw_errno(env, -status, "uv_poll");
    raise_uncaught(env);
  } else {
    if ((events & UV_WRITABLE) != 0)
      watch_socket(socket, false);
    wake_up(socket);
  }
  napi_close_handle_scope(env, scope);
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
    struct reading reading = receive(&socket->timed);

    if (has_news(socket, &reading) && deliver(socket, &reading) != napi_ok)
      return NULL; /* what the callback threw goes to the caller */
    if (reading.is_drained)
      break;
  }
  return NULL;
}
