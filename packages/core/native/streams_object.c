#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"
#include "arguments.h"
#include "errors.h"
#include "held_object.h"
#include "exports.h"
#include "streams.h"

/* Lives in C like struct packet_socket: the poll handle, the memory and each method hold it, and the last holder frees it. */
static void release(struct streams *streams)
{
  if (--streams->holders > 0)
    return;
  munmap(streams->records, sizeof *streams->records);
  free(streams->places);
  free(streams);
}

static void on_holder_gone(napi_env env, void *data, void *streams)
{
  (void)env;
  (void)data;
  release(streams);
}

static void on_closed(uv_handle_t *handle)
{
  struct streams *streams = handle->data;

  callback_end(&streams->callback);
  napi_remove_async_cleanup_hook(streams->cleanup);
  release(streams);
}

/* Runs when the environment ends (Worker.terminate, process exit), which waits until on_closed has removed this hook. */
static void on_environment_gone(napi_async_cleanup_hook_handle handle, void *data)
{
  struct streams *streams = data;

  (void)handle;
  for (uint32_t i = 0; i < streams->place_count; i++)
    if (streams->places[i].fd >= 0)
      stream_close(streams, &streams->places[i]);
  uv_close((uv_handle_t *)&streams->poll, on_closed);
  close(streams->epoll);
  streams->epoll = -1;
  callback_drop(&streams->callback);
}

static bool read_stream(napi_env env, struct streams *streams, napi_value argument, struct stream **stream)
{
  double id;

  if (!ok(env, napi_get_value_double(env, argument, &id)))
    return false;
  *stream = streams->epoll < 0 ? NULL : stream_of_id(streams, id);
  return true;
}

/* connect(fd, family, address, port, isStamped, isUndelayed): takes over the descriptor, even when it throws. */
static napi_value connect_stream(napi_env env, napi_callback_info info)
{
  napi_value arguments[6], result;
  union address to;
  int64_t fd;
  int family;
  bool is_stamped, is_undelayed;
  double id;
  int one = 1;
  void *data;

  if (!read_arguments(env, info, 6, arguments, &data) || !read_integer(env, arguments[0], "fd", 0, INT32_MAX, &fd))
    return NULL;
  struct streams *streams = data;
  if (!read_family(env, arguments[1], &family) || !read_address(env, family, arguments[2], arguments[3], &to) ||
      !ok(env, napi_get_value_bool(env, arguments[4], &is_stamped)) ||
      !ok(env, napi_get_value_bool(env, arguments[5], &is_undelayed))) {
    close((int)fd);
    return NULL;
  }
  if (is_undelayed)
    setsockopt((int)fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  int error = stream_connect(streams, (int)fd, &to, is_stamped, &id);
  if (error != 0) {
    throw_errno(env, error, "connect");
    return NULL;
  }
  return ok(env, napi_create_double(env, id, &result)) ? result : NULL;
}

/* write(stream, bytes): returns how many of them the kernel took. If not all, STREAM_WRITABLE follows. */
static napi_value write_stream(napi_env env, napi_callback_info info)
{
  napi_value arguments[2], result;
  struct stream *stream;
  uint8_t *bytes;
  size_t length, written;
  void *data;

  if (!read_arguments(env, info, 2, arguments, &data))
    return NULL;
  struct streams *streams = data;
  if (!read_stream(env, streams, arguments[0], &stream) || !read_bytes(env, arguments[1], "bytes", &bytes, &length))
    return NULL;
  int error = stream == NULL ? EBADF : stream_write(streams, stream, bytes, length, &written);
  if (error != 0) {
    throw_errno(env, error, "write");
    return NULL;
  }
  return ok(env, napi_create_uint32(env, (uint32_t)written, &result)) ? result : NULL;
}

/* close(stream): nothing is delivered afterwards. May be called again. */
static napi_value close_stream(napi_env env, napi_callback_info info)
{
  napi_value argument;
  struct stream *stream;
  void *data;

  if (!read_arguments(env, info, 1, &argument, &data) || !read_stream(env, data, argument, &stream))
    return NULL;
  if (stream != NULL)
    stream_close(data, stream);
  return NULL;
}

/* release(stream): returns its descriptor, which is the caller's from then on. */
static napi_value release_stream(napi_env env, napi_callback_info info)
{
  napi_value argument, result;
  struct stream *stream;
  void *data;

  if (!read_arguments(env, info, 1, &argument, &data) || !read_stream(env, data, argument, &stream))
    return NULL;
  if (stream == NULL) {
    throw_errno(env, EBADF, "release");
    return NULL;
  }
  int fd = stream_release(data, stream);
  if (ok(env, napi_create_int32(env, fd, &result)))
    return result;
  close(fd);
  return NULL;
}

static napi_status deliver(void *data)
{
  struct streams *streams = data;

  return callback_call(&streams->callback, &streams->rows, 1);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  struct streams *streams = poll->data;

  (void)events;
  streams_read(streams);
  if (status >= 0 && streams->rows > 0)
    callback_turn(&streams->callback, deliver, streams);
}

static const struct method methods[] = {{"connect", connect_stream}, {"write", write_stream}, {"close", close_stream}, {"release", release_stream}};

static bool fill_object(napi_env env, struct streams *streams, napi_value object)
{
  const struct held_object held = {
    .env = env, .object = object, .native = streams, .holders = &streams->holders, .on_gone = on_holder_gone};

  return hold_by_methods(&held, methods, sizeof methods / sizeof *methods) &&
         hold_by_memory(&held, streams->records, sizeof *streams->records);
}

static bool open_epoll(napi_env env, struct streams *streams)
{
  streams->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (streams->epoll >= 0)
    return true;
  throw_errno(env, errno, "epoll_create1");
  return false;
}

/* After it succeeds, only the end of the environment closes the streams. */
static bool start_polling(napi_env env, struct streams *streams)
{
  if (!ok(env, napi_add_async_cleanup_hook(env, on_environment_gone, streams, &streams->cleanup)))
    return false;
  int error = uv_poll_init(streams->addon->loop, &streams->poll, streams->epoll);
  if (error != 0) {
    napi_remove_async_cleanup_hook(streams->cleanup);
    throw_errno(env, -error, "uv_poll_init");
    return false;
  }
  streams->poll.data = streams;
  streams->holders++;
  uv_poll_start(&streams->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&streams->poll);
  return true;
}

static void abandon(struct streams *streams)
{
  callback_drop(&streams->callback);
  callback_end(&streams->callback);
  if (streams->epoll >= 0)
    close(streams->epoll);
  streams->epoll = -1;
}

/* The kernel allocates pages on first write, so the space for large answers costs nothing until they come. */
static struct streams *allocate(napi_env env)
{
  size_t bytes = sizeof(struct stream_records);
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct streams *streams = memory == MAP_FAILED ? NULL : calloc(1, sizeof *streams);

  if (streams == NULL) {
    if (memory != MAP_FAILED)
      munmap(memory, bytes);
    throw_errno(env, ENOMEM, "mmap");
    return NULL;
  }
  streams->epoll = -1;
  streams->records = memory;
  return streams;
}

/* openStreams(onNews): the TCP connections of this thread, see NativeStreams in src/net/native/native.ts. */
napi_value open_streams(napi_env env, napi_callback_info info)
{
  napi_value callback, object;
  void *addon;

  if (!read_arguments(env, info, 1, &callback, &addon))
    return NULL;
  struct streams *streams = allocate(env);
  if (streams == NULL)
    return NULL;
  /* This function is a holder, too, until it returns. */
  streams->holders = 1;
  streams->addon = addon;
  stamping_start(&streams->addon->thread.stamping);
  if (!callback_set(env, &streams->callback, callback, "ScoutStreams") || !open_epoll(env, streams) || !ok(env, napi_create_object(env, &object)) ||
      !fill_object(env, streams, object) || !start_polling(env, streams)) {
    abandon(streams);
    object = NULL;
  }
  release(streams);
  return object;
}
