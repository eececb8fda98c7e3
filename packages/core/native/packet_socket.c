#include "packet_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addon.h"
#include "arguments.h"
#include "errors.h"
#include "exports.h"

static void release(struct packet_socket *socket)
{
  if (--socket->holders > 0)
    return;
  munmap(socket->records, socket->records_bytes);
  free(socket);
}

static void on_closed(uv_handle_t *handle)
{
  struct packet_socket *socket = handle->data;

  /* From here on the environment may go. */
  napi_remove_async_cleanup_hook(socket->cleanup);
  release(socket);
}

static void close_socket(struct packet_socket *socket)
{
  if (socket->fd < 0)
    return;
  uv_close((uv_handle_t *)&socket->poll, on_closed);
  close(socket->fd);
  socket->fd = -1;
  napi_delete_reference(socket->env, socket->callback);
  napi_async_destroy(socket->env, socket->context);
}

/* The environment goes (Worker.terminate, the end of the process); it waits until on_closed has removed this hook. */
static void on_environment_gone(napi_async_cleanup_hook_handle handle, void *socket)
{
  (void)handle;
  close_socket(socket);
}

static void on_method_gone(napi_env env, void *socket, void *hint)
{
  (void)env;
  (void)hint;
  release(socket);
}

static void on_memory_gone(napi_env env, void *memory, void *socket)
{
  (void)env;
  (void)memory;
  release(socket);
}

struct packet_socket *socket_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments)
{
  void *data;

  if (!read_arguments(env, info, count, arguments, &data))
    return NULL;
  struct packet_socket *socket = data;
  if (socket->fd >= 0)
    return socket;
  throw_errno(env, EBADF, "closed socket");
  return NULL;
}

/* configure({ ttl, trafficClass, mtuDiscovery }): for packets sent from now on. */
static napi_value packet_socket_configure(napi_env env, napi_callback_info info)
{
  napi_value options;
  struct packet_socket *socket = socket_of_call(env, info, 1, &options);

  if (socket != NULL)
    apply_sending_options(env, socket->fd, socket->kind, options);
  return NULL;
}

/* setRef(isRef): whether the open socket keeps the loop running. */
static napi_value packet_socket_set_ref(napi_env env, napi_callback_info info)
{
  napi_value argument;
  bool is_ref;
  struct packet_socket *socket = socket_of_call(env, info, 1, &argument);

  if (socket == NULL || !ok(env, napi_get_value_bool(env, argument, &is_ref)))
    return NULL;
  if (is_ref)
    uv_ref((uv_handle_t *)&socket->poll);
  else
    uv_unref((uv_handle_t *)&socket->poll);
  return NULL;
}

/* close(): nothing is delivered after it. May be called again. */
static napi_value packet_socket_close(napi_env env, napi_callback_info info)
{
  void *socket;

  if (read_arguments(env, info, 0, NULL, &socket))
    close_socket(socket);
  return NULL;
}

static const struct {
  const char *name;
  napi_callback method;
} methods[] = {
  {"send", packet_socket_send},           {"sendMany", packet_socket_send_many}, {"drain", packet_socket_drain},
  {"configure", packet_socket_configure}, {"setRef", packet_socket_set_ref},     {"close", packet_socket_close},
};

/* Each method is a function of its own that carries its socket: there is no `this` that could be another object. */
static bool add_methods(napi_env env, struct packet_socket *socket, napi_value object)
{
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    napi_value method;

    if (!ok(env, napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].method, socket, &method)) ||
        !ok(env, napi_add_finalizer(env, method, socket, on_method_gone, NULL, NULL)))
      return false;
    socket->holders++;
    if (!ok(env, napi_set_named_property(env, object, methods[i].name, method)))
      return false;
  }
  return true;
}

static bool add_memory(napi_env env, struct packet_socket *socket, napi_value object)
{
  napi_value memory;

  if (!ok(env, napi_create_external_arraybuffer(env, socket->records, socket->records_bytes, on_memory_gone, socket,
                                                &memory)))
    return false;
  socket->holders++;
  return ok(env, napi_set_named_property(env, object, "memory", memory));
}

/* What the kernel made of the wishes: the port, and the size of the receive buffer as it counts (socket(7), SO_RCVBUF). */
static bool add_facts(napi_env env, const struct packet_socket *socket, napi_value object)
{
  union address address = {.any.sa_family = AF_UNSPEC};
  socklen_t address_size = sizeof address;
  int bytes = 0;
  socklen_t bytes_size = sizeof bytes;

  if (socket->kind->has_port && getsockname(socket->fd, &address.any, &address_size) != 0) {
    throw_errno(env, errno, "getsockname");
    return false;
  }
  if (getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &bytes, &bytes_size) != 0) {
    throw_errno(env, errno, "getsockopt SO_RCVBUF");
    return false;
  }
  return set_number(env, object, "port", address_port(&address)) && set_number(env, object, "bufferBytes", bytes);
}

static bool open_descriptor(napi_env env, struct packet_socket *packet_socket, napi_value options)
{
  const struct socket_kind *kind = packet_socket->kind;

  packet_socket->fd = socket(kind->family, kind->type | SOCK_CLOEXEC | SOCK_NONBLOCK, kind->protocol);
  if (packet_socket->fd < 0) {
    throw_errno(env, errno, "socket");
    return false;
  }
  return prepare_socket(env, packet_socket->fd, kind, options) && bind_socket(env, packet_socket->fd, kind, options);
}

static bool refer_to_callback(napi_env env, struct packet_socket *socket, napi_value callback)
{
  napi_valuetype type;
  napi_value name;

  if (!ok(env, napi_typeof(env, callback, &type)))
    return false;
  if (type != napi_function) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the callback must be a function");
    return false;
  }
  return ok(env, napi_create_string_utf8(env, "ScoutPacketSocket", NAPI_AUTO_LENGTH, &name)) &&
         ok(env, napi_async_init(env, NULL, name, &socket->context)) &&
         ok(env, napi_create_reference(env, callback, 1, &socket->callback));
}

/* From its success on the socket is closed by close_socket and nothing else. */
static bool start_polling(napi_env env, struct packet_socket *socket)
{
  if (!ok(env, napi_add_async_cleanup_hook(env, on_environment_gone, socket, &socket->cleanup)))
    return false;
  int error = uv_poll_init(socket->addon->loop, &socket->poll, socket->fd);
  if (error != 0) {
    napi_remove_async_cleanup_hook(socket->cleanup);
    throw_errno(env, -error, "uv_poll_init");
    return false;
  }
  socket->poll.data = socket;
  socket->holders++;
  watch_socket(socket, false);
  return true;
}

/* Gives back what an opening that failed half-way has taken. */
static void abandon(napi_env env, struct packet_socket *socket)
{
  if (socket->callback != NULL)
    napi_delete_reference(env, socket->callback);
  if (socket->context != NULL)
    napi_async_destroy(env, socket->context);
  if (socket->fd >= 0)
    close(socket->fd);
  socket->fd = -1;
}

/* Pages come into being when they are first written, so that room for the largest packets costs nothing until they come. */
static struct packet_socket *allocate(napi_env env, napi_value options)
{
  napi_value value;
  int64_t packet_bytes;

  if (!ok(env, napi_get_named_property(env, options, "packetBytes", &value)) ||
      !read_integer(env, value, "packetBytes", 64, 65536, &packet_bytes))
    return NULL;
  size_t bytes = sizeof(struct records) + ARRIVALS * (size_t)packet_bytes;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw_errno(env, errno, "mmap");
    return NULL;
  }
  struct packet_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL) {
    munmap(memory, bytes);
    throw_errno(env, ENOMEM, "calloc");
    return NULL;
  }
  /* A huge page would bring two megabytes into being at once. An advice only: where it is refused, nothing breaks. */
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  socket->env = env;
  socket->fd = -1;
  socket->records = memory;
  socket->records_bytes = bytes;
  socket->packet_bytes = (size_t)packet_bytes;
  return socket;
}

/* openPacketSocket(options, onNews): see PacketSocketOptions in src/net/native.ts. */
napi_value open_packet_socket(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], object;
  const struct socket_kind *kind;
  void *addon;

  if (!read_arguments(env, info, 2, arguments, &addon) || !read_kind(env, arguments[0], &kind))
    return NULL;
  struct packet_socket *socket = allocate(env, arguments[0]);
  if (socket == NULL)
    return NULL;
  /* This function is a holder too, until it returns. */
  socket->holders = 1;
  socket->addon = addon;
  socket->kind = kind;
  socket->is_counting = true;
  departures_start(&socket->departures, socket->records->departures);
  stamping_start(&socket->addon->stamping);
  socket->opened_ns = time_line_now(&socket->addon->line);
  socket->trusted_steps = socket->addon->line.steps;
  if (!open_descriptor(env, socket, arguments[0]) || !refer_to_callback(env, socket, arguments[1]) ||
      !ok(env, napi_create_object(env, &object)) || !add_methods(env, socket, object) ||
      !add_memory(env, socket, object) || !add_facts(env, socket, object) || !start_polling(env, socket)) {
    abandon(env, socket);
    object = NULL;
  }
  release(socket);
  return object;
}
