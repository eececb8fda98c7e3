#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"
#include "arguments.h"
#include "delivery.h"
#include "errors.h"
#include "exports.h"
#include "packet_socket.h"
#include "packet_socket_object.h"

/* Runs when the environment ends (Worker.terminate, process exit), which waits until on_closed has removed this hook. */
static void on_environment_gone(napi_async_cleanup_hook_handle handle, void *socket)
{
  (void)handle;
  packet_socket_close(socket);
}

/* After it succeeds, only packet_socket_close closes the socket. */
static bool start_polling(napi_env env, struct packet_socket *socket, struct addon *addon)
{
  if (!ok(env, napi_add_async_cleanup_hook(env, on_environment_gone, socket, &socket->cleanup)))
    return false;
  int error = uv_poll_init(addon->loop, &socket->poll, socket->timed.fd);
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

/* Releases what a failed opening has acquired. */
static void abandon(struct packet_socket *socket)
{
  callback_drop(&socket->callback);
  callback_end(&socket->callback);
  if (socket->timed.fd >= 0)
    close(socket->timed.fd);
  socket->timed.fd = -1;
}

/* Room for packets. JavaScript's garbage collector takes it for used, so that more of it would make it work more. */
enum { ROOM_BYTES = 512 << 10 };

/* The kernel allocates pages on first write, so space for the largest packets costs nothing until they arrive. */
static struct packet_socket *allocate(napi_env env, napi_value options)
{
  napi_value value;
  int64_t packet_bytes;

  if (!ok(env, napi_get_named_property(env, options, "packetBytes", &value)) ||
      !read_integer(env, value, "packetBytes", 64, 65536, &packet_bytes))
    return NULL;
  unsigned batch = ROOM_BYTES / (unsigned)packet_bytes < ARRIVALS ? ROOM_BYTES / (unsigned)packet_bytes : ARRIVALS;
  size_t bytes = sizeof(struct records) + batch * (size_t)packet_bytes;
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
  /* A huge page would allocate two megabytes at once. This is only advice: if the kernel refuses it, nothing breaks. */
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  socket->timed.fd = -1;
  socket->records = memory;
  socket->records_bytes = bytes;
  socket->timed.packets = socket->records->packets;
  socket->timed.packet_bytes = (size_t)packet_bytes;
  socket->timed.batch = batch;
  return socket;
}

/* openPacketSocket(options, onNews): see NativeSocketOptions in src/net/native/native.ts. */
napi_value open_packet_socket(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], object;
  const struct socket_kind *kind;
  void *data;

  if (!read_arguments(env, info, 2, arguments, &data) || !read_kind(env, arguments[0], &kind))
    return NULL;
  struct packet_socket *socket = allocate(env, arguments[0]);
  if (socket == NULL)
    return NULL;
  /* This function is a holder, too, until it returns. */
  socket->holders = 1;
  struct addon *addon = data;
  socket->timed.thread = &addon->thread;
  socket->timed.kind = kind;
  socket->timed.events = &packet_socket_events;
  departures_start(&socket->timed.departures, socket->records->departures, socket->kernel_ids, DEPARTURES);
  timed_socket_start(&socket->timed);
  if (!timed_socket_open(env, &socket->timed, arguments[0]) || !callback_set(env, &socket->callback, arguments[1], "ScoutPacketSocket") ||
      !ok(env, napi_create_object(env, &object)) || !fill_object(env, socket, object) || !start_polling(env, socket, addon)) {
    abandon(socket);
    object = NULL;
  }
  packet_socket_release(socket);
  return object;
}
