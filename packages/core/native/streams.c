#include "streams.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "addon.h"
#include "control.h"

/*
 * A stream's time is the kernel's where the kernel stamps it: the last byte of a request on its way out, and arriving segments.
 * The stamp of a sent byte lies in the error queue, where it would wake the loop. So the queue is read right after the write: a
 * device without a queue has sent the segment by then. A stamp that comes later is read when it wakes the loop.
 */
enum {
  PLACES_AT_FIRST = 64,
  MOST_PLACES = 1 << 20,
  STAMP_ROUNDS = 16,
  STAMPS = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
           SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID,
};

static struct time_line *line_of(struct streams *streams)
{
  return &streams->addon->thread.line;
}

/* An id is not used again, unlike its place and its descriptor: news of a closed stream must not reach its successor. */
static double id_of(const struct streams *streams, const struct stream *stream)
{
  return (double)((uint64_t)stream->generation * MOST_PLACES + (uint64_t)(stream - streams->places));
}

struct stream *stream_of_id(struct streams *streams, double id)
{
  uint64_t number = (uint64_t)id;
  struct stream *stream = &streams->places[number % MOST_PLACES];

  if (number % MOST_PLACES >= streams->place_count || stream->fd < 0 || stream->generation != number / MOST_PLACES)
    return NULL;
  return stream;
}

static struct stream *free_place(struct streams *streams)
{
  for (uint32_t i = 0; i < streams->place_count; i++)
    if (streams->places[i].fd < 0)
      return &streams->places[i];
  uint32_t count = streams->place_count == 0 ? PLACES_AT_FIRST : streams->place_count * 2;
  struct stream *places = count > MOST_PLACES ? NULL : realloc(streams->places, count * sizeof *places);
  if (places == NULL)
    return NULL;
  for (uint32_t i = streams->place_count; i < count; i++)
    places[i] = (struct stream){.fd = -1};
  struct stream *first = &places[streams->place_count];
  streams->places = places;
  streams->place_count = count;
  return first;
}

static int watch(struct streams *streams, struct stream *stream, int operation, uint32_t events)
{
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)(stream - streams->places)};

  return epoll_ctl(streams->epoll, operation, stream->fd, &event) == 0 ? 0 : errno;
}

/*
 * Lets the error queue have the ICMP error that ends a handshake, because its errno does not tell a firewall from a missing route
 * (net/ipv4/tcp_ipv4.c, tcp_v4_err). Fails only on old kernels, which leave the errno.
 */
static void keep_icmp(int fd, int family, int keeps)
{
  if (family == AF_INET)
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &keeps, sizeof keeps);
  else
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &keeps, sizeof keeps);
}

int stream_connect(struct streams *streams, int fd, const union address *to, bool is_stamped, double *id)
{
  struct stream *stream = free_place(streams);
  int error = 0;

  keep_icmp(fd, to->any.sa_family, 1);
  if (stream == NULL)
    error = ENOMEM;
  else if (connect(fd, &to->any, address_length(to)) != 0 && errno != EINPROGRESS)
    error = errno;
  if (error != 0) {
    close(fd);
    return error;
  }
  *stream = (struct stream){
    .fd = fd, .generation = stream->generation + 1, .is_stamped = is_stamped, .left_ns = (double)NAN};
  /* Once is enough: what follows depends on the outcome. */
  error = watch(streams, stream, EPOLL_CTL_ADD, EPOLLOUT | EPOLLONESHOT);
  streams->open_count++;
  if (error != 0) {
    stream_close(streams, stream);
    return error;
  }
  if (streams->open_count == 1)
    uv_ref((uv_handle_t *)&streams->poll);
  *id = id_of(streams, stream);
  return 0;
}

static void free_stream(struct streams *streams, struct stream *stream)
{
  stream->fd = -1;
  if (--streams->open_count == 0)
    uv_unref((uv_handle_t *)&streams->poll);
}

/* A closed descriptor leaves its epoll by itself (epoll(7), Q6), because no other refers to the same socket. */
void stream_close(struct streams *streams, struct stream *stream)
{
  close(stream->fd);
  free_stream(streams, stream);
}

int stream_release(struct streams *streams, struct stream *stream)
{
  int fd = stream->fd;

  watch(streams, stream, EPOLL_CTL_DEL, 0);
  free_stream(streams, stream);
  return fd;
}

static bool is_trusted(const struct streams *streams, const struct stream *stream, const struct timespec *stamp)
{
  return (stamp->tv_sec != 0 || stamp->tv_nsec != 0) && stream->steps == streams->addon->thread.line.steps;
}

/* Takes the first stamp of the last byte sent: a retransmission is stamped again. */
static void take_departure(struct streams *streams, struct stream *stream, struct msghdr *message)
{
  struct time_line *line = line_of(streams);
  struct control control;

  /* Looks for a step of the wall clock since the stamp was taken. */
  time_line_now(line);
  control_read(message, &control);
  if (control.has_error && control.error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING &&
      control.error.ee_info == SCM_TSTAMP_SND && control.error.ee_data == stream->sent - 1 && isnan(stream->left_ns) &&
      is_trusted(streams, stream, &control.stamp))
    stream->left_ns = time_line_at(line, time_line_place(line, &control.stamp));
}

static void read_departures(struct streams *streams, struct stream *stream)
{
  union {
    struct cmsghdr header;
    unsigned char bytes[CONTROL_BYTES];
  } buffer;

  for (int round = 0; round < STAMP_ROUNDS; round++) {
    struct msghdr message = {.msg_control = &buffer, .msg_controllen = sizeof buffer};

    if (recvmsg(stream->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
      return;
    take_departure(streams, stream, &message);
  }
}

static void watch_data(struct streams *streams, struct stream *stream)
{
  /* Fails only without memory. Then the attempt ends at its deadline. */
  watch(streams, stream, EPOLL_CTL_MOD, EPOLLIN | (stream->is_full ? EPOLLOUT : 0u));
}

int stream_write(struct streams *streams, struct stream *stream, const uint8_t *bytes, size_t length, size_t *written)
{
  struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  bool is_first = stream->sent == 0 && !stream->is_full;
  bool was_full = stream->is_full;
  ssize_t sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

  if (sent < 0 && errno != EAGAIN)
    return errno;
  *written = sent < 0 ? 0 : (size_t)sent;
  stream->is_full = *written < length;
  if (*written > 0) {
    stream->sent += (uint32_t)*written;
    stream->left_ns = (double)NAN;
    if (stream->is_stamped)
      read_departures(streams, stream);
  }
  if (is_first || was_full != stream->is_full)
    watch_data(streams, stream);
  return 0;
}

static struct stream_row *add_row(struct streams *streams, const struct stream *stream, enum stream_news news)
{
  struct stream_row *row = &streams->records->rows[streams->rows++];

  *row = (struct stream_row){.stream = id_of(streams, stream), .news = news, .left_ns = (double)NAN};
  return row;
}

/* Numbers are at 8-byte boundaries, as JavaScript reads them. */
static void add_bytes(struct streams *streams, struct stream_row *row, uint32_t length)
{
  row->start = (double)(offsetof(struct stream_records, bytes) + streams->bytes);
  row->length = length;
  streams->bytes += (length + 7) & ~7u;
}

static void add_address(struct streams *streams, struct stream_row *row, const union address *address)
{
  /* Fits, because each row adds one at most: STREAM_TEXT_BYTES. */
  add_bytes(streams, row, address_format(address, (char *)streams->records->bytes + streams->bytes));
}

static union address own_address(const struct stream *stream)
{
  union address address = {.any.sa_family = AF_UNSPEC};
  socklen_t length = sizeof address;

  if (getsockname(stream->fd, &address.any, &length) != 0)
    address.any.sa_family = AF_UNSPEC;
  return address;
}

static struct stream_row *add_handshake(struct streams *streams, const struct stream *stream, const struct tcp_info *info, int error)
{
  struct stream_row *row = add_row(streams, stream, error == 0 ? STREAM_CONNECTED : STREAM_FAILED);

  row->number = error;
  row->at_ns = time_line_at(line_of(streams), time_line_now(line_of(streams)));
  row->rtt_us = info->tcpi_rtt;
  row->retransmits = info->tcpi_total_retrans;
  row->send_mss = info->tcpi_snd_mss;
  return row;
}

/* Returns whether an ICMP error is in the error queue. */
static bool take_icmp(const struct stream *stream, struct control *control)
{
  union {
    struct cmsghdr header;
    unsigned char bytes[CONTROL_BYTES];
  } buffer;
  struct msghdr message = {.msg_control = &buffer, .msg_controllen = sizeof buffer};

  if (recvmsg(stream->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
    return false;
  control_read(&message, control);
  return control->has_error &&
         (control->error.ee_origin == SO_EE_ORIGIN_ICMP || control->error.ee_origin == SO_EE_ORIGIN_ICMP6);
}

/* The outcome of a handshake. TCP_INFO is read before anything else can change it: tcpi_rtt is that of the SYN. */
static void end_handshake(struct streams *streams, struct stream *stream)
{
  union address address = own_address(stream);
  struct control control;
  struct tcp_info info = {0};
  socklen_t info_length = sizeof info;
  int error = 0;
  socklen_t error_length = sizeof error;
  int stamps = STAMPS;

  if (getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &info_length) != 0)
    info = (struct tcp_info){0};
  if (info.tcpi_state != TCP_ESTABLISHED && getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &error_length) != 0)
    error = errno;
  /* Without an error it is still waiting, because the ICMP error came while the kernel was busy with the socket. */
  bool is_icmp = (error != 0 || info.tcpi_state == TCP_SYN_SENT) && take_icmp(stream, &control);
  if (is_icmp && error == 0)
    error = (int)control.error.ee_errno;
  stream->is_connected = error == 0;
  struct stream_row *row = add_handshake(streams, stream, &info, error);
  row->port = address_port(&address);
  if (is_icmp) {
    row->type = control.error.ee_type;
    row->code = control.error.ee_code;
    add_address(streams, row, &control.offender);
  }
  if (!stream->is_connected)
    return;
  add_address(streams, row, &address);
  /* From now on, an ICMP error must not end the connection, which may outlive it (RFC 1122 §4.2.3.9). */
  keep_icmp(stream->fd, address.any.sa_family, 0);
  stream->steps = line_of(streams)->steps;
  /* Only now: the kernel counts sent bytes from here (net/core/sock.c, sock_set_timestamping), and refuses before connect(). */
  if (stream->is_stamped)
    stream->is_stamped = setsockopt(stream->fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) == 0;
}

static void read_data(struct streams *streams, struct stream *stream)
{
  union {
    struct cmsghdr header;
    unsigned char bytes[CONTROL_BYTES];
  } buffer;
  struct iovec vector = {.iov_base = streams->records->bytes + streams->bytes, .iov_len = STREAM_READ_BYTES};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = sizeof buffer};
  struct time_line *line = line_of(streams);
  struct control control;
  ssize_t length = recvmsg(stream->fd, &message, MSG_DONTWAIT);

  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0) {
    int error = length < 0 ? errno : 0;
    struct stream_row *row = add_row(streams, stream, length < 0 ? STREAM_FAILED : STREAM_ENDED);

    row->number = error;
    /* Nothing follows, and the end would be reported again and again. */
    watch(streams, stream, EPOLL_CTL_DEL, 0);
    return;
  }
  int64_t at_ns = time_line_now(line);
  struct stream_row *row = add_row(streams, stream, STREAM_ARRIVED);
  control_read(&message, &control);
  if (is_trusted(streams, stream, &control.stamp)) {
    at_ns = time_line_place(line, &control.stamp);
    row->clock = CLOCK_OF_KERNEL;
  }
  row->at_ns = time_line_at(line, at_ns);
  row->left_ns = stream->left_ns;
  add_bytes(streams, row, (uint32_t)length);
}

static void take_event(struct streams *streams, struct stream *stream, uint32_t events)
{
  if (!stream->is_connected) {
    end_handshake(streams, stream);
    return;
  }
  if ((events & EPOLLERR) != 0 && stream->is_stamped)
    read_departures(streams, stream);
  if ((events & EPOLLOUT) != 0 && stream->is_full) {
    stream->is_full = false;
    watch_data(streams, stream);
    add_row(streams, stream, STREAM_WRITABLE);
    return;
  }
  /* What finds no room now is reported again. */
  if (streams->bytes + STREAM_READ_BYTES <= STREAM_BYTES)
    read_data(streams, stream);
}

void streams_read(struct streams *streams)
{
  struct epoll_event events[STREAM_ROWS];
  int count = epoll_wait(streams->epoll, events, STREAM_ROWS, 0);

  streams->rows = 0;
  streams->bytes = 0;
  for (int i = 0; i < count; i++) {
    struct stream *stream = &streams->places[events[i].data.u64];

    if (stream->fd >= 0)
      take_event(streams, stream, events[i].events);
  }
}
