#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"
#include "exports.h"

enum { MOST_PORTS = 4096 };

struct reservation {
  uint32_t count;
  int fds[];
};

static void release_ports(struct reservation *reservation)
{
  while (reservation->count > 0)
    close(reservation->fds[--reservation->count]);
}

static void on_release_gone(napi_env env, void *data, void *hint)
{
  (void)env;
  (void)hint;
  release_ports(data);
  free(data);
}

static napi_value release(napi_env env, napi_callback_info info)
{
  void *reservation;

  if (read_arguments(env, info, 0, NULL, &reservation))
    release_ports(reservation);
  return NULL;
}

/* Binds one more socket and sets `port`. Returns 0 or an errno. */
static int reserve_port(struct reservation *reservation, const union address *address, uint16_t *port, const char **call)
{
  union address bound;
  socklen_t length = sizeof bound;
  int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *call = "socket";
  if (fd < 0)
    return errno;
  reservation->fds[reservation->count++] = fd;
  *call = "bind";
  if (bind(fd, &address->any, address_length(address)) != 0)
    return errno;
  *call = "getsockname";
  if (getsockname(fd, &bound.any, &length) != 0)
    return errno;
  *port = address_port(&bound);
  return 0;
}

static bool fill_ports(napi_env env, struct reservation *reservation, const union address *address, uint32_t count,
                       napi_value ports)
{
  for (uint32_t i = 0; i < count; i++) {
    napi_value number;
    uint16_t port = 0;
    const char *call;
    int error = reserve_port(reservation, address, &port, &call);

    if (error != 0) {
      throw_errno(env, error, call);
      return false;
    }
    if (!ok(env, napi_create_uint32(env, port, &number)) || !ok(env, napi_set_element(env, ports, i, number)))
      return false;
  }
  return true;
}

/*
 * reservePorts(family, address, count): { ports, release() }. TCP sockets that are bound, and neither listen nor connect: the
 * kernel gives their ports to no other socket, and still answers a SYN-ACK to them with RST, which ends a half-open
 * handshake on the other side. Without a call of `release` the ports are freed when it is garbage-collected.
 */
napi_value reserve_ports(napi_env env, napi_callback_info info)
{
  napi_value arguments[3], zero, object, ports, function;
  union address address;
  int64_t count;
  int family;

  if (!read_arguments(env, info, 3, arguments, NULL) || !read_family(env, arguments[0], &family) ||
      !ok(env, napi_create_uint32(env, 0, &zero)) || !read_address(env, family, arguments[1], zero, &address) ||
      !read_integer(env, arguments[2], "count", 1, MOST_PORTS, &count))
    return NULL;
  struct reservation *reservation = malloc(sizeof *reservation + (size_t)count * sizeof *reservation->fds);
  if (reservation == NULL) {
    throw_errno(env, ENOMEM, "malloc");
    return NULL;
  }
  reservation->count = 0;
  if (!ok(env, napi_create_function(env, "release", NAPI_AUTO_LENGTH, release, reservation, &function)) ||
      !ok(env, napi_add_finalizer(env, function, reservation, on_release_gone, NULL, NULL))) {
    free(reservation);
    return NULL;
  }
  if (!ok(env, napi_create_array_with_length(env, (size_t)count, &ports)) ||
      !fill_ports(env, reservation, &address, (uint32_t)count, ports) || !ok(env, napi_create_object(env, &object)) ||
      !ok(env, napi_set_named_property(env, object, "ports", ports)) ||
      !ok(env, napi_set_named_property(env, object, "release", function))) {
    release_ports(reservation);
    return NULL;
  }
  return object;
}
