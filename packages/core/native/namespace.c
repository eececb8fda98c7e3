#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
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
