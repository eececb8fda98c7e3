#include "timed_socket.h"

#include <errno.h>

#include "errors.h"
#include "socket_filter.h"
#include "socket_options.h"

void timed_thread_start(struct timed_thread *thread)
{
  time_line_start(&thread->line);
  thread->stamping.fd = -1;
}

void timed_thread_stop(struct timed_thread *thread)
{
  stamping_stop(&thread->stamping);
}

bool timed_socket_open(napi_env env, struct timed_socket *timed, napi_value options)
{
  const struct socket_kind *kind = timed->kind;
  int fd = socket(kind->family, kind->type | SOCK_CLOEXEC | SOCK_NONBLOCK, kind->protocol);

  timed->fd = fd;
  if (fd >= 0)
    return filter_socket(env, fd, kind, options) && prepare_socket(env, fd, kind, options) &&
           bind_socket(env, fd, kind, options);
  throw_errno(env, errno, "socket");
  return false;
}

void timed_socket_start(struct timed_socket *socket)
{
  stamping_start(&socket->thread->stamping);
  socket->is_stamped = true;
  socket->is_counting = true;
  socket->opened_ns = time_line_now(&socket->thread->line);
  socket->trusted_steps = socket->thread->line.steps;
}
