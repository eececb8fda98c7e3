#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "errors.h"
#include "exports.h"

/*
 * enterNetworkNamespace(path): moves only the calling thread, permanently (setns(2)). Its open sockets keep their
 * namespace; threads it starts inherit the new one. The threads of libuv's pool are not moved.
 */
napi_value enter_network_namespace(napi_env env, napi_callback_info info)
{
  char path[PATH_MAX];
  napi_value argument;

  if (!read_arguments(env, info, 1, &argument, NULL) || !read_text(env, argument, "path", path, sizeof path))
    return NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw_errno(env, errno, "open");
    return NULL;
  }
  int error = setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
  close(fd);
  if (error != 0)
    throw_errno(env, error, "setns");
  return NULL;
}

static bool set_stream_options(napi_env env, int fd, int most_segment_bytes, bool is_abrupt)
{
  struct linger now = {.l_onoff = 1};

  if (most_segment_bytes > 0 &&
      setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &most_segment_bytes, sizeof most_segment_bytes) != 0) {
    throw_errno(env, errno, "setsockopt TCP_MAXSEG");
    return false;
  }
  if (is_abrupt && setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) != 0) {
    throw_errno(env, errno, "setsockopt SO_LINGER");
    return false;
  }
  return true;
}

/*
 * openStreamSocket(family, mostSegmentBytes?, isAbrupt?): the descriptor of a TCP socket that is not connected yet. It stays in the network
 * namespace the thread is in now, whereas Node opens its own only when they are connected. With `mostSegmentBytes`, neither side sends
 * larger segments (tcp(7), TCP_MAXSEG). An abrupt one is reset when it is closed (socket(7), SO_LINGER).
 */
napi_value open_stream_socket(napi_env env, napi_callback_info info)
{
  napi_value arguments[3], result;
  napi_valuetype types[3];
  int family;
  int64_t most = 0;
  bool is_abrupt = false;

  if (!read_arguments(env, info, 3, arguments, NULL) || !read_family(env, arguments[0], &family))
    return NULL;
  for (size_t i = 1; i < 3; i++)
    if (!ok(env, napi_typeof(env, arguments[i], &types[i])))
      return NULL;
  if (types[1] != napi_undefined && !read_integer(env, arguments[1], "mostSegmentBytes", 1, INT16_MAX, &most))
    return NULL;
  if (types[2] != napi_undefined && !ok(env, napi_get_value_bool(env, arguments[2], &is_abrupt)))
    return NULL;
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    throw_errno(env, errno, "socket");
    return NULL;
  }
  if (set_stream_options(env, fd, (int)most, is_abrupt) && ok(env, napi_create_int32(env, fd, &result)))
    return result;
  close(fd);
  return NULL;
}
