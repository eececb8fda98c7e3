#include "send.h"

#include <errno.h>
#include <string.h>

#include "addon.h"
#include "arguments.h"
#include "delivery.h"
#include "errors.h"
#include "packet_socket.h"
#include "socket_options.h"

enum {
  ATTEMPTS = 4,
  /* Stamps are charged to the receive buffer; a burst sent in one go must not fill it before the loop gets to read. */
  DRAIN_EVERY = 64,
};

struct packet {
  uint8_t *bytes;
  size_t length;
  union address to;
};

static bool read_packet(napi_env env, const struct packet_socket *socket, const napi_value *arguments, struct packet *packet)
{
  if (!read_bytes(env, arguments[0], "bytes", &packet->bytes, &packet->length) ||
      !read_address(env, socket->kind->family, arguments[1], arguments[2], &packet->to))
    return false;
  /* A raw IPv6 socket takes the port for a protocol number (net/ipv6/raw.c, rawv6_sendmsg). */
  if (socket->kind->type == SOCK_RAW) {
    if (packet->to.any.sa_family == AF_INET)
      packet->to.v4.sin_port = 0;
    else
      packet->to.v6.sin6_port = 0;
  }
  return true;
}

static void fill_message(struct msghdr *message, struct iovec *vector, struct packet *packet)
{
  *vector = (struct iovec){.iov_base = packet->bytes, .iov_len = packet->length};
  *message = (struct msghdr){
    .msg_name = &packet->to,
    .msg_namelen = address_length(&packet->to),
    .msg_iov = vector,
    .msg_iovlen = 1,
  };
}

static void drain_errors(struct packet_socket *socket)
{
  socket->sent_since_drain = 0;
  /* The rows are being read. */
  if (socket->is_delivering)
    return;
  receive_errors(socket);
  if (socket->errors > 0)
    watch_socket(socket, true);
}

/* Adds all packets before reading stamps: each stamp must find its packet in the ring. */
static void note_sent(struct packet_socket *socket, unsigned count, int64_t handed_ns)
{
  for (unsigned i = 0; i < count; i++)
    departures_add(&socket->departures, &socket->addon->line, handed_ns);
  socket->sent_since_drain += count;
  if (socket->sent_since_drain >= DRAIN_EVERY)
    drain_errors(socket);
}

/* An error that ICMP can cause (net/ipv4/icmp.c icmp_err_convert, net/ipv6/icmp.c tab_unreach). */
static bool may_be_of_another_packet(int error)
{
  switch (error) {
  case EACCES:
  case ECONNREFUSED:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case EMSGSIZE:
  case ENETUNREACH:
  case ENONET:
  case ENOPROTOOPT:
  case EOPNOTSUPP:
  case EPROTO:
    return true;
  default:
    return false;
  }
}

static void note_failed(struct packet_socket *socket)
{
  socket->is_counting = restart_send_count(socket->fd) == 0;
  departures_restart(&socket->departures);
}

/*
 * An ICMP error about an earlier packet makes the next send on its socket fail once, whatever its destination (sock_error() in
 * net/core/sock.c, sock_alloc_send_pskb). An error of this packet itself repeats.
 */
static int send_packet(struct packet_socket *socket, struct packet *packet)
{
  struct msghdr message;
  struct iovec vector;
  int error = 0;

  fill_message(&message, &vector, packet);
  for (int i = 0; i < ATTEMPTS; i++) {
    int64_t handed_ns = time_line_read();

    if (sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      note_sent(socket, 1, handed_ns);
      return 0;
    }
    error = errno;
    note_failed(socket);
    if (!may_be_of_another_packet(error))
      break;
  }
  if (error == EMSGSIZE) {
    socket->local_mtu = 0;
    drain_errors(socket);
  }
  return error;
}

static napi_value send_error(napi_env env, const struct packet_socket *socket, int error)
{
  napi_value object = errno_error(env, error, "sendmsg");
  napi_value mtu;

  if (object == NULL || error != EMSGSIZE || socket->local_mtu == 0)
    return object;
  if (!ok(env, napi_create_uint32(env, socket->local_mtu, &mtu)) ||
      !ok(env, napi_set_named_property(env, object, "mtu", mtu)))
    return NULL;
  return object;
}

/* Returns the ticket of the packet sent before the last `later` ones. */
static napi_value ticket_of(napi_env env, const struct packet_socket *socket, unsigned later)
{
  napi_value ticket;

  return ok(env, napi_create_double(env, (double)(socket->departures.count - 1 - later), &ticket)) ? ticket : NULL;
}

/* send(bytes, address, port): ticket. */
napi_value send_one(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  struct packet packet;
  struct packet_socket *socket = socket_of_call(env, info, 3, arguments);

  if (socket == NULL || !read_packet(env, socket, arguments, &packet))
    return NULL;
  int error = send_packet(socket, &packet);
  if (error == 0)
    return ticket_of(env, socket, 0);
  napi_value object = send_error(env, socket, error);
  if (object != NULL)
    napi_throw(env, object);
  return NULL;
}

/* Stores a ticket, or the error with which the kernel refused this packet. */
static bool set_outcome(napi_env env, napi_value outcomes, uint32_t index, napi_value outcome)
{
  return outcome != NULL && ok(env, napi_set_element(env, outcomes, index, outcome));
}

static bool read_packets(napi_env env, const struct packet_socket *socket, const napi_value *arguments, uint32_t start,
                         uint32_t count, struct packet *packets)
{
  napi_value values[BATCH][3];

  /* An element may be a getter that runs JavaScript, which may detach bytes: so no bytes are looked at before the last. */
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t part = 0; part < 3; part++)
      if (!ok(env, napi_get_element(env, arguments[part], start + i, &values[i][part])))
        return false;
  if (socket->fd < 0) {
    throw_errno(env, EBADF, "sendmmsg");
    return false;
  }
  for (uint32_t i = 0; i < count; i++)
    if (!read_packet(env, socket, values[i], &packets[i]))
      return false;
  return true;
}

static bool send_batch(napi_env env, struct packet_socket *socket, struct packet *packets, uint32_t start, uint32_t count,
                       napi_value outcomes)
{
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];

  for (uint32_t i = 0; i < count; i++)
    fill_message(&messages[i].msg_hdr, &vectors[i], &packets[i]);
  for (uint32_t done = 0; done < count;) {
    int64_t handed_ns = time_line_read();
    int sent = sendmmsg(socket->fd, messages + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent > 0)
      note_sent(socket, (unsigned)sent, handed_ns);
    for (int left = sent; left > 0; left--, done++)
      if (!set_outcome(env, outcomes, start + done, ticket_of(env, socket, (unsigned)left - 1)))
        return false;
    if (done == count)
      break;
    /* The kernel refused the next one without saying why (net/socket.c, __sys_sendmmsg). */
    note_failed(socket);
    int error = send_packet(socket, &packets[done]);
    napi_value outcome = error == 0 ? ticket_of(env, socket, 0) : send_error(env, socket, error);
    if (!set_outcome(env, outcomes, start + done, outcome))
      return false;
    done++;
  }
  return true;
}

/* sendMany(bytes[], addresses[], ports[]): (ticket | Error)[], with as few system calls as possible. */
napi_value send_many(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  struct packet packets[BATCH];
  napi_value outcomes;
  uint32_t length;
  struct packet_socket *socket = socket_of_call(env, info, 3, arguments);

  if (socket == NULL || !ok(env, napi_get_array_length(env, arguments[0], &length)) ||
      !ok(env, napi_create_array_with_length(env, length, &outcomes)))
    return NULL;
  for (uint32_t start = 0; start < length; start += BATCH) {
    uint32_t count = length - start < BATCH ? length - start : BATCH;

    if (!read_packets(env, socket, arguments, start, count, packets) ||
        !send_batch(env, socket, packets, start, count, outcomes))
      return NULL;
  }
  return outcomes;
}
