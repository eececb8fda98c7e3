#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"
#include "exports.h"

/* Connecting a UDP socket looks the route up and sends nothing (ip(7)). Returns 0 or an errno. */
static int find_source(const union address *destination, union address *source, const char **call)
{
  socklen_t length = sizeof *source;
  int fd = socket(destination->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int error = 0;

  *call = "socket";
  if (fd < 0)
    return errno;
  *call = "connect";
  if (connect(fd, &destination->any, address_length(destination)) != 0 || getsockname(fd, &source->any, &length) != 0)
    error = errno;
  close(fd);
  return error;
}

/* sourceAddress(family, address): string. The address of this host that packets to `address` leave from. */
napi_value source_address(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], port, result;
  union address destination, source;
  char text[ADDRESS_TEXT_BYTES];
  const char *call;
  int family;

  if (!read_arguments(env, info, 2, arguments, NULL) || !read_family(env, arguments[0], &family) ||
      !ok(env, napi_create_uint32(env, 9, &port)) || !read_address(env, family, arguments[1], port, &destination))
    return NULL;
  int error = find_source(&destination, &source, &call);
  if (error != 0) {
    throw_errno(env, error, call);
    return NULL;
  }
  uint32_t length = address_format(&source, text);
  return ok(env, napi_create_string_latin1(env, text, length, &result)) ? result : NULL;
}
