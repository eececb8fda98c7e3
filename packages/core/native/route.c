#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"
#include "exports.h"

/*
 * sourceAddress(family, destination): the address the kernel would send from. Connecting a UDP socket looks the route up and
 * sends nothing (ip(7)). The checksum of a TCP segment covers it (RFC 9293 §3.1).
 */
napi_value source_address(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], port, result;
  union address address;
  socklen_t length = sizeof address;
  char text[ADDRESS_TEXT_BYTES];
  int family;

  if (!read_arguments(env, info, 2, arguments, NULL) || !read_family(env, arguments[0], &family) ||
      !ok(env, napi_create_uint32(env, 9, &port)) || !read_address(env, family, arguments[1], port, &address))
    return NULL;
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    throw_errno(env, errno, "socket");
    return NULL;
  }
  const char *call = "connect";
  int error = connect(fd, &address.any, address_length(&address)) == 0 ? 0 : errno;
  if (error == 0) {
    call = "getsockname";
    error = getsockname(fd, &address.any, &length) == 0 ? 0 : errno;
  }
  close(fd);
  if (error != 0) {
    throw_errno(env, error, call);
    return NULL;
  }
  return ok(env, napi_create_string_latin1(env, text, address_format(&address, text), &result)) ? result : NULL;
}
