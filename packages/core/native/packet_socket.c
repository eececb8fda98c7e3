#include "packet_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arguments.h"
#include "errors.h"

void packet_socket_release(struct packet_socket *socket)
{
  if (--socket->holders > 0)
    return;
  munmap(socket->records, socket->records_bytes);
  free(socket);
}

static void on_closed(uv_handle_t *handle)
{
  struct packet_socket *socket = handle->data;

  callback_end(&socket->callback);
  /* The environment may end from here on. */
  napi_remove_async_cleanup_hook(socket->cleanup);
  packet_socket_release(socket);
}

void packet_socket_close(struct packet_socket *socket)
{
  if (socket->timed.fd < 0)
    return;
  uv_close((uv_handle_t *)&socket->poll, on_closed);
  close(socket->timed.fd);
  socket->timed.fd = -1;
  callback_drop(&socket->callback);
}

struct packet_socket *socket_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments)
{
  void *data;

  if (!read_arguments(env, info, count, arguments, &data))
    return NULL;
  struct packet_socket *socket = data;
  if (socket->timed.fd >= 0)
    return socket;
  throw_errno(env, EBADF, "closed socket");
  return NULL;
}
