#include "packet_socket_object.h"

#include <errno.h>
#include <sys/socket.h>

#include "arguments.h"
#include "delivery.h"
#include "errors.h"
#include "held_object.h"
#include "send.h"
#include "socket_options.h"

static void on_holder_gone(napi_env env, void *data, void *socket)
{
  (void)env;
  (void)data;
  packet_socket_release(socket);
}

/* configure({ ttl, trafficClass, mtuDiscovery }): for packets sent from now on. */
static napi_value configure(napi_env env, napi_callback_info info)
{
  napi_value options;
  struct packet_socket *socket = socket_of_call(env, info, 1, &options);

  if (socket != NULL)
    apply_sending_options(env, socket->timed.fd, socket->timed.kind, options);
  return NULL;
}

/* setRef(isRef): whether the open socket keeps the loop running. */
static napi_value set_ref(napi_env env, napi_callback_info info)
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

/* close(): nothing is delivered afterwards. May be called again. */
static napi_value close_by_method(napi_env env, napi_callback_info info)
{
  void *socket;

  if (read_arguments(env, info, 0, NULL, &socket))
    packet_socket_close(socket);
  return NULL;
}

static const struct method methods[] = {
  {"send", send_one},       {"sendMany", send_many}, {"drain", drain},
  {"configure", configure}, {"setRef", set_ref},     {"close", close_by_method},
};

/* Sets the port and the size of the receive buffer that the kernel granted, in its own counting (socket(7), SO_RCVBUF). */
static bool add_facts(napi_env env, const struct packet_socket *socket, napi_value object)
{
  union address address = {.any.sa_family = AF_UNSPEC};
  socklen_t address_size = sizeof address;
  int bytes = 0;
  socklen_t bytes_size = sizeof bytes;

  if (socket->timed.kind->has_port && getsockname(socket->timed.fd, &address.any, &address_size) != 0) {
    throw_errno(env, errno, "getsockname");
    return false;
  }
  if (getsockopt(socket->timed.fd, SOL_SOCKET, SO_RCVBUF, &bytes, &bytes_size) != 0) {
    throw_errno(env, errno, "getsockopt SO_RCVBUF");
    return false;
  }
  return set_number(env, object, "port", address_port(&address)) && set_number(env, object, "bufferBytes", bytes);
}

bool fill_object(napi_env env, struct packet_socket *socket, napi_value object)
{
  const struct held_object held = {
    .env = env, .object = object, .native = socket, .holders = &socket->holders, .on_gone = on_holder_gone};

  return hold_by_methods(&held, methods, sizeof methods / sizeof *methods) &&
         hold_by_memory(&held, socket->records, socket->records_bytes) && add_facts(env, socket, object);
}
