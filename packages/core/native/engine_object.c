#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uv.h>

#include "addon.h"
#include "arguments.h"
#include "callback.h"
#include "engine.h"
#include "errors.h"
#include "exports.h"
#include "formats.h"
#include "held_object.h"
#include "responder.h"

enum { LANES = 64, MOST_SOCKETS = 64, MOST_PORTS = 4096, DEPARTURES_OF_DATAGRAMS = 1024, DEPARTURES_OF_RESPONDER = 64, MOST_PAYLOAD = 65507 };

enum { MOST_SLOTS = 1 << 24, LONGEST_MS = INT32_MAX };

static const double ns_per_ms = 1e6;

/*
 * An engine as JavaScript holds it. Its holders (handle, memory, methods) free it together, like those of a packet socket. All fields
 * belong to the thread of the environment.
 */
struct engine_object {
  struct engine engine; /* first, so that one is found from the other */
  uv_async_t async;
  unsigned holders;
  bool is_open;
  struct callback callback;
  napi_async_cleanup_hook_handle cleanup;
  struct lane *lanes[LANES];
  struct responder *responders[RESPONDERS];
};

static void release_object(struct engine_object *object)
{
  if (--object->holders > 0)
    return;
  munmap(object->engine.memory, sizeof *object->engine.memory);
  free(object);
}

static void on_holder_gone(napi_env env, void *data, void *object)
{
  (void)env;
  (void)data;
  release_object(object);
}

static void on_closed(uv_handle_t *handle)
{
  struct engine_object *object = handle->data;

  callback_end(&object->callback);
  /* The environment may end from here on. */
  napi_remove_async_cleanup_hook(object->cleanup);
  release_object(object);
}

static void close_object(struct engine_object *object)
{
  if (!object->is_open)
    return;
  object->is_open = false;
  engine_stop(&object->engine);
  uv_close((uv_handle_t *)&object->async, on_closed);
  callback_drop(&object->callback);
}

static void on_environment_gone(napi_async_cleanup_hook_handle handle, void *object)
{
  (void)handle;
  close_object(object);
}

/* From the engine's thread. */
static void notify(struct engine *engine)
{
  uv_async_send(&((struct engine_object *)engine)->async);
}

static napi_status deliver(void *data)
{
  return callback_call(&((struct engine_object *)data)->callback, NULL, 0);
}

static void on_news(uv_async_t *async)
{
  struct engine_object *object = async->data;

  if (object->is_open)
    callback_turn(&object->callback, deliver, object);
}

static struct engine_object *object_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments)
{
  void *data;

  if (!read_arguments(env, info, count, arguments, &data))
    return NULL;
  struct engine_object *object = data;
  if (object->is_open)
    return object;
  throw_errno(env, EBADF, "closed engine");
  return NULL;
}

static void *no_memory(napi_env env)
{
  throw_errno(env, ENOMEM, "calloc");
  return NULL;
}

static struct command *command_of(napi_env env)
{
  struct command *command = calloc(1, sizeof *command);

  return command != NULL ? command : no_memory(env);
}

static bool give_departures(napi_env env, struct timed_socket *timed, uint32_t places)
{
  struct departure *ring = calloc(places, sizeof *ring);
  uint32_t *kernel_ids = calloc(places, sizeof *kernel_ids);

  departures_start(&timed->departures, ring, kernel_ids, places);
  return (ring != NULL && kernel_ids != NULL) || no_memory(env) != NULL;
}

static bool read_port_of(napi_env env, int fd, uint16_t *port)
{
  union address address;
  socklen_t length = sizeof address;

  if (getsockname(fd, &address.any, &length) != 0) {
    throw_errno(env, errno, "getsockname");
    return false;
  }
  *port = address_port(&address);
  return true;
}

static bool open_sockets(napi_env env, struct lane *lane, const struct socket_kind *kind, uint32_t count, napi_value options)
{
  bool is_datagram = kind->protocol == IPPROTO_UDP;

  for (; lane->socket_count < count; lane->socket_count++) {
    struct lane_socket *socket = &lane->sockets[lane->socket_count];

    socket->lane = lane;
    socket->timed.kind = kind;
    if (!timed_socket_open(env, &socket->timed, options) ||
        !give_departures(env, &socket->timed, is_datagram ? DEPARTURES_OF_DATAGRAMS : DEPARTURES) ||
        (is_datagram && !read_port_of(env, socket->timed.fd, &lane->ports[lane->socket_count]))) {
      lane->socket_count++; /* lane_free closes it, too */
      return false;
    }
  }
  return true;
}

/* The ports of a format that writes its own, as 16-bit numbers. */
static bool read_ports(napi_env env, napi_value options, struct lane *lane)
{
  uint8_t *bytes = NULL;
  size_t length = 0;
  napi_value value;
  bool is_given;

  if (!read_optional(env, options, "ports", &value, &is_given) ||
      (is_given && !read_bytes(env, value, "ports", &bytes, &length)) || length % sizeof(uint16_t) != 0 ||
      length > MOST_PORTS * sizeof(uint16_t))
    return false;
  lane->port_count = (uint32_t)(length / sizeof(uint16_t));
  lane->ports = calloc((size_t)(lane->port_count > MOST_SOCKETS ? lane->port_count : MOST_SOCKETS), sizeof *lane->ports);
  if (lane->ports == NULL)
    return no_memory(env) != NULL;
  if (length > 0)
    memcpy(lane->ports, bytes, length);
  return true;
}

static struct lane *lane_of(napi_env env, struct engine_object *object, napi_value options)
{
  const struct socket_kind *kind;
  napi_value value;
  int64_t count;
  char name[16];

  if (!ok(env, napi_get_named_property(env, options, "format", &value)) ||
      !read_text(env, value, "format", name, sizeof name) || !read_kind(env, options, &kind) ||
      !ok(env, napi_get_named_property(env, options, "sockets", &value)) ||
      !read_integer(env, value, "sockets", 1, MOST_SOCKETS, &count))
    return NULL;
  const struct format *format = format_named(name);
  uint32_t number = 0;
  while (number < LANES && object->lanes[number] != NULL)
    number++;
  if (format == NULL || number == LANES) {
    throw_errno(env, format == NULL ? EINVAL : ENOSPC, "openLane");
    return NULL;
  }
  struct lane *lane = calloc(1, sizeof *lane + (size_t)count * sizeof *lane->sockets);
  if (lane == NULL)
    return no_memory(env);
  lane->engine = &object->engine;
  lane->format = format;
  lane->route = -1;
  lane->number = number;
  if (!read_ports(env, options, lane) || !open_sockets(env, lane, kind, (uint32_t)count, options)) {
    lane_free(lane);
    return NULL;
  }
  if (kind->protocol == IPPROTO_TCP && lane->port_count == 0) {
    throw_errno(env, EINVAL, "openLane without ports");
    lane_free(lane);
    return NULL;
  }
  if (kind->protocol == IPPROTO_TCP && (lane->route = socket(kind->family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0) {
    throw_errno(env, errno, "socket");
    lane_free(lane);
    return NULL;
  }
  return lane;
}

/* openLane(options): number. Its sockets are of the namespace this thread is in. See NativeLaneOptions in src/net/native/native.ts. */
static napi_value open_lane(napi_env env, napi_callback_info info)
{
  napi_value options, number;
  struct engine_object *object = object_of_call(env, info, 1, &options);
  struct command *command = object == NULL ? NULL : command_of(env);

  if (command == NULL)
    return NULL;
  command->kind = COMMAND_LANE;
  command->lane = lane_of(env, object, options);
  if (command->lane == NULL || !ok(env, napi_create_uint32(env, command->lane->number, &number))) {
    free(command);
    return NULL;
  }
  object->lanes[command->lane->number] = command->lane;
  engine_command(&object->engine, command);
  return number;
}

/* closeLane(number): its series must have been removed. Takes effect with the next `wake`. May be called again. */
static napi_value close_lane(napi_env env, napi_callback_info info)
{
  napi_value argument;
  int64_t number;
  struct engine_object *object = object_of_call(env, info, 1, &argument);

  if (object == NULL || !read_integer(env, argument, "lane", 0, LANES - 1, &number) || object->lanes[number] == NULL)
    return NULL;
  struct command *command = command_of(env);
  if (command == NULL)
    return NULL;
  command->kind = COMMAND_LANE_GONE;
  command->lane = object->lanes[number];
  object->lanes[number] = NULL;
  engine_command(&object->engine, command);
  return NULL;
}

/* read_bytes for a key, which may be left out. */
static bool read_key(napi_env env, napi_value value, struct hmac_key *key)
{
  napi_valuetype type;
  uint8_t *bytes = NULL;
  size_t length = 0;

  if (!ok(env, napi_typeof(env, value, &type)) ||
      (type != napi_undefined && !read_bytes(env, value, "key", &bytes, &length)))
    return false;
  hmac_key_set(key, bytes, length);
  return true;
}

/* Refuses what is no number of the range, NaN too. */
static bool is_within(napi_env env, double value, double min, double max)
{
  if (value >= min && value <= max)
    return true;
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "a field of the engine's request is out of range");
  return false;
}

static bool read_series(napi_env env, struct engine_object *object, const napi_value *arguments, struct series *series)
{
  const struct request request = object->engine.memory->request;
  napi_value port;

  if (!is_within(env, request.slot, 0, MOST_SLOTS - 1) || !is_within(env, request.lane, 0, LANES - 1) ||
      !is_within(env, request.port, 0, UINT16_MAX) || !is_within(env, request.payload_bytes, 0, MOST_PAYLOAD) ||
      !is_within(env, request.timeout_ms, 0, LONGEST_MS) || !is_within(env, request.interval_ms, 0, LONGEST_MS) ||
      !is_within(env, request.due_ns, 0, (double)INT64_MAX / 2) || !is_within(env, request.flow, -1, UINT16_MAX) ||
      !is_within(env, request.ssid, 0, UINT16_MAX) || !is_within(env, request.sequence, 0, UINT32_MAX) ||
      !is_within(env, request.is_light, 0, 1) || !is_within(env, request.condensed, 0, UINT16_MAX))
    return false;
  struct lane *lane = object->lanes[(int)request.lane];
  if (lane == NULL) {
    throw_errno(env, EBADF, "closed lane");
    return false;
  }
  if (!is_within(env, request.payload_bytes, lane->format->least_payload, MOST_PAYLOAD))
    return false;
  series->slot = (uint32_t)request.slot;
  series->id = request.id;
  series->lane = lane;
  series->port = (uint16_t)request.port;
  series->payload_bytes = (uint32_t)request.payload_bytes;
  series->timeout_ns = (int64_t)(request.timeout_ms * ns_per_ms);
  series->interval_ns = (int64_t)(request.interval_ms * ns_per_ms);
  series->due.at_ns = (int64_t)request.due_ns;
  series->flow = (int64_t)request.flow;
  series->ssid = (uint16_t)request.ssid;
  series->next_sequence = (uint32_t)request.sequence;
  series->is_light = request.is_light != 0;
  series->condensed.most = (uint32_t)request.condensed;
  series->has_failed = true; /* so that the first result is told at once */
  const struct socket_kind *kind = lane->sockets[0].timed.kind;
  /* A raw IPv6 socket takes the port for a protocol number (net/ipv6/raw.c, rawv6_sendmsg). */
  return ok(env, napi_create_uint32(env, kind->protocol == IPPROTO_UDP ? series->port : 0, &port)) &&
         read_address(env, kind->family, arguments[0], port, &series->to) && read_key(env, arguments[1], &series->key) &&
         read_packet_options(env, arguments[2], kind->family, &series->options);
}

/* add(address, key, options): asks what the request in the shared memory says. Takes effect with the next `wake`. */
static napi_value add(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  struct engine_object *object = object_of_call(env, info, 3, arguments);
  struct command *command = object == NULL ? NULL : command_of(env);

  if (command == NULL)
    return NULL;
  command->kind = COMMAND_ADD;
  command->series = calloc(1, sizeof *command->series);
  if (command->series == NULL) {
    free(command);
    return no_memory(env);
  }
  if (!read_series(env, object, arguments, command->series)) {
    free(command->series);
    free(command);
    return NULL;
  }
  engine_command(&object->engine, command);
  return NULL;
}

/* remove(slot): nothing is asked there any more, and nobody waits. Takes effect with the next `wake`. */
static napi_value remove_slot(napi_env env, napi_callback_info info)
{
  napi_value argument;
  int64_t slot;
  struct engine_object *object = object_of_call(env, info, 1, &argument);

  if (object == NULL || !read_integer(env, argument, "slot", 0, MOST_SLOTS - 1, &slot))
    return NULL;
  struct command *command = command_of(env);
  if (command == NULL)
    return NULL;
  command->kind = COMMAND_REMOVE;
  command->slot = (uint32_t)slot;
  engine_command(&object->engine, command);
  return NULL;
}

/* wake(): carries out what was handed in. */
static napi_value wake(napi_env env, napi_callback_info info)
{
  struct engine_object *object = object_of_call(env, info, 0, NULL);

  if (object != NULL)
    engine_wake(&object->engine);
  return NULL;
}

/* take(): how many rows are there to read. */
static napi_value take(napi_env env, napi_callback_info info)
{
  napi_value count;
  struct engine_object *object = object_of_call(env, info, 0, NULL);

  if (object == NULL)
    return NULL;
  uint32_t rows = atomic_load_explicit(&object->engine.head, memory_order_acquire) -
                  atomic_load_explicit(&object->engine.tail, memory_order_relaxed);
  return ok(env, napi_create_uint32(env, rows, &count)) ? count : NULL;
}

/* release(count): so many rows were read. */
static napi_value release_rows(napi_env env, napi_callback_info info)
{
  napi_value argument;
  int64_t count;
  struct engine_object *object = object_of_call(env, info, 1, &argument);

  if (object != NULL && read_integer(env, argument, "count", 0, RECORDS, &count))
    atomic_fetch_add_explicit(&object->engine.tail, (uint32_t)count, memory_order_release);
  return NULL;
}

/* failed(): the errno with which the thread ended by itself; 0 while it runs. */
static napi_value failed(napi_env env, napi_callback_info info)
{
  napi_value number;
  struct engine_object *object = object_of_call(env, info, 0, NULL);

  if (object == NULL)
    return NULL;
  return ok(env, napi_create_int32(env, atomic_load(&object->engine.failed), &number)) ? number : NULL;
}

static struct responder *responder_of(napi_env env, struct engine_object *object, uint32_t index, const napi_value *arguments)
{
  const struct socket_kind *kind;
  struct responder *responder = calloc(1, sizeof *responder);

  if (responder == NULL)
    return no_memory(env);
  responder->engine = &object->engine;
  responder->counts = &object->engine.memory->responders[index];
  responder->timed.fd = -1;
  *responder->counts = (struct responder_counts){0};
  responder->sessions = &object->engine.memory->sessions[index];
  /* Of an earlier responder. Memory that was never used stays untouched. */
  if (responder->sessions->count != 0)
    memset(responder->sessions, 0, sizeof *responder->sessions);
  if (read_kind(env, arguments[0], &kind)) {
    responder->timed.kind = kind;
    if (timed_socket_open(env, &responder->timed, arguments[0]) &&
        give_departures(env, &responder->timed, DEPARTURES_OF_RESPONDER) &&
        read_key(env, arguments[1], &responder->key))
      return responder;
  }
  responder_free(responder);
  return NULL;
}

/* openResponder(options, key): { index, port }. Answers until closeResponder(index). */
static napi_value open_responder(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], result;
  uint32_t index = 0;
  uint16_t port;
  struct engine_object *object = object_of_call(env, info, 2, arguments);
  struct command *command = object == NULL ? NULL : command_of(env);

  if (command == NULL)
    return NULL;
  while (index < RESPONDERS && object->responders[index] != NULL)
    index++;
  command->kind = COMMAND_RESPONDER;
  if (index == RESPONDERS)
    throw_errno(env, ENOSPC, "openResponder");
  else
    command->responder = responder_of(env, object, index, arguments);
  if (command->responder == NULL) {
    free(command);
    return NULL;
  }
  if (!read_port_of(env, command->responder->timed.fd, &port) || !ok(env, napi_create_object(env, &result)) ||
      !set_number(env, result, "index", index) || !set_number(env, result, "port", port)) {
    responder_free(command->responder);
    free(command);
    return NULL;
  }
  object->responders[index] = command->responder;
  engine_command(&object->engine, command);
  engine_wake(&object->engine);
  return result;
}

/* closeResponder(index): its port is free when it returns. May be called again. */
static napi_value close_responder(napi_env env, napi_callback_info info)
{
  napi_value argument;
  int64_t index;
  struct engine_object *object = object_of_call(env, info, 1, &argument);

  if (object == NULL || !read_integer(env, argument, "index", 0, RESPONDERS - 1, &index) ||
      object->responders[index] == NULL)
    return NULL;
  struct command *command = command_of(env);
  if (command == NULL)
    return NULL;
  command->kind = COMMAND_RESPONDER_GONE;
  command->responder = object->responders[index];
  object->responders[index] = NULL;
  engine_close_responder(&object->engine, command);
  return NULL;
}

/* close(): ends the thread. May be called again. */
static napi_value close_by_method(napi_env env, napi_callback_info info)
{
  void *object;

  if (read_arguments(env, info, 0, NULL, &object))
    close_object(object);
  return NULL;
}

static const struct method methods[] = {
  {"openLane", open_lane},
  {"closeLane", close_lane},
  {"add", add},
  {"remove", remove_slot},
  {"wake", wake},
  {"take", take},
  {"release", release_rows},
  {"failed", failed},
  {"openResponder", open_responder},
  {"closeResponder", close_responder},
  {"close", close_by_method},
};

static bool fill(napi_env env, struct engine_object *object, napi_value result)
{
  const struct held_object held = {
    .env = env, .object = result, .native = object, .holders = &object->holders, .on_gone = on_holder_gone};

  return hold_by_methods(&held, methods, sizeof methods / sizeof *methods) &&
         hold_by_memory(&held, object->engine.memory, sizeof *object->engine.memory);
}

static struct engine_object *allocate(napi_env env)
{
  struct engine_object *object = calloc(1, sizeof *object);

  if (object == NULL)
    return no_memory(env);
  void *memory = mmap(NULL, sizeof *object->engine.memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw_errno(env, errno, "mmap");
    free(object);
    return NULL;
  }
  madvise(memory, sizeof *object->engine.memory, MADV_NOHUGEPAGE);
  object->engine.memory = memory;
  object->engine.notify = notify;
  object->holders = 1;
  return object;
}

static bool start(napi_env env, struct addon *addon, struct engine_object *object)
{
  if (!ok(env, napi_add_async_cleanup_hook(env, on_environment_gone, object, &object->cleanup)))
    return false;
  int error = uv_async_init(addon->loop, &object->async, on_news);
  if (error != 0) {
    napi_remove_async_cleanup_hook(object->cleanup);
    throw_errno(env, -error, "uv_async_init");
    return false;
  }
  object->async.data = object;
  object->holders++; /* until on_closed */
  error = engine_start(&object->engine);
  if (error == 0) {
    object->is_open = true;
    return true;
  }
  throw_errno(env, error, "pthread_create");
  callback_drop(&object->callback);
  uv_close((uv_handle_t *)&object->async, on_closed);
  return false;
}

/* openEngine(onNews): see NativeEngine in src/net/native/native.ts. */
napi_value open_engine(napi_env env, napi_callback_info info)
{
  napi_value callback, result;
  void *addon;

  if (!read_arguments(env, info, 1, &callback, &addon))
    return NULL;
  struct engine_object *object = allocate(env);
  if (object == NULL)
    return NULL;
  if (!callback_set(env, &object->callback, callback, "ScoutPacketEngine") || !ok(env, napi_create_object(env, &result)) ||
      !fill(env, object, result) || !start(env, addon, object)) {
    /* on_closed does it where `async` was opened. */
    if (object->async.data == NULL) {
      callback_drop(&object->callback);
      callback_end(&object->callback);
    }
    result = NULL;
  }
  release_object(object);
  return result;
}
