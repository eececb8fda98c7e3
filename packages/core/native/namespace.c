#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/*
 * openStreamSocket(family): the descriptor of a TCP socket that is not connected yet. It stays in the network namespace the thread is in
 * now, whereas Node opens its own only when they are connected.
 */
napi_value open_stream_socket(napi_env env, napi_callback_info info)
{
  napi_value argument, result;
  int family;

  if (!read_arguments(env, info, 1, &argument, NULL) || !read_family(env, argument, &family))
    return NULL;
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    throw_errno(env, errno, "socket");
    return NULL;
  }
  if (ok(env, napi_create_int32(env, fd, &result)))
    return result;
  close(fd);
  return NULL;
}
