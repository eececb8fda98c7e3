#include "send.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "arguments.h"
#include "errors.h"
#include "packet_options.h"
#include "packet_socket.h"

struct packet {
  uint8_t *bytes;
  size_t length;
  union address to;
};

static bool read_packet(napi_env env, const struct packet_socket *socket, const napi_value *arguments, struct packet *packet)
{
  if (!read_bytes(env, arguments[0], "bytes", &packet->bytes, &packet->length) ||
      !read_address(env, socket->timed.kind->family, arguments[1], arguments[2], &packet->to))
    return false;
  /* A raw IPv6 socket takes the port for a protocol number (net/ipv6/raw.c, rawv6_sendmsg). */
  if (socket->timed.kind->type == SOCK_RAW) {
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

static napi_value send_error(napi_env env, const struct packet_socket *socket, int error)
{
  napi_value object = errno_error(env, error, "sendmsg");
  napi_value mtu;

  if (object == NULL || error != EMSGSIZE || socket->timed.local_mtu == 0)
    return object;
  if (!ok(env, napi_create_uint32(env, socket->timed.local_mtu, &mtu)) ||
      !ok(env, napi_set_named_property(env, object, "mtu", mtu)))
    return NULL;
  return object;
}

static napi_value ticket_value(napi_env env, uint64_t ticket)
{
  napi_value value;

  return ok(env, napi_create_double(env, (double)ticket, &value)) ? value : NULL;
}

/* send(bytes, address, port, options?): ticket. The options are ttl, trafficClass and source. */
napi_value send_one(napi_env env, napi_callback_info info)
{
  napi_value arguments[4];
  struct packet_options options;
  struct packet packet;
  struct msghdr message;
  struct iovec vector;
  struct packet_socket *socket = socket_of_call(env, info, 4, arguments);

  /* An option may be a getter that closes the socket or detaches the bytes: so they are looked at after it. */
  if (socket == NULL || !read_packet_options(env, arguments[3], socket->timed.kind->family, &options))
    return NULL;
  if (socket->timed.fd < 0) {
    throw_errno(env, EBADF, "sendmsg");
    return NULL;
  }
  if (!read_packet(env, socket, arguments, &packet))
    return NULL;
  fill_message(&message, &vector, &packet);
  set_packet_options(&message, &options);
  int error = transmit(&socket->timed, &message);
  if (error == 0)
    return ticket_value(env, socket->timed.departures.count - 1);
  napi_value object = send_error(env, socket, error);
  if (object != NULL)
    napi_throw(env, object);
  return NULL;
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
  if (socket->timed.fd < 0) {
    throw_errno(env, EBADF, "sendmmsg");
    return false;
  }
  for (uint32_t i = 0; i < count; i++)
    if (!read_packet(env, socket, values[i], &packets[i]))
      return false;
  return true;
}

struct outcomes {
  napi_env env;
  struct packet_socket *socket;
  napi_value array;
  uint32_t start;
  bool is_ok; /* false once an exception is pending */
};

/* Stores a ticket, or the error with which the kernel refused this packet. */
static void store_outcome(void *context, uint32_t index, int error, uint64_t ticket)
{
  struct outcomes *outcomes = context;
  napi_env env = outcomes->env;

  if (!outcomes->is_ok)
    return;
  napi_value value = error == 0 ? ticket_value(env, ticket) : send_error(env, outcomes->socket, error);
  outcomes->is_ok = value != NULL && ok(env, napi_set_element(env, outcomes->array, outcomes->start + index, value));
}

/* sendMany(bytes[], addresses[], ports[]): (ticket | Error)[], with as few system calls as possible. */
napi_value send_many(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  struct packet packets[BATCH];
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  struct outcomes outcomes = {.env = env, .is_ok = true};
  uint32_t length;
  struct packet_socket *socket = socket_of_call(env, info, 3, arguments);

  if (socket == NULL || !ok(env, napi_get_array_length(env, arguments[0], &length)) ||
      !ok(env, napi_create_array_with_length(env, length, &outcomes.array)))
    return NULL;
  outcomes.socket = socket;
  for (; outcomes.start < length; outcomes.start += BATCH) {
    uint32_t count = length - outcomes.start < BATCH ? length - outcomes.start : BATCH;

    if (!read_packets(env, socket, arguments, outcomes.start, count, packets))
      return NULL;
    for (uint32_t i = 0; i < count; i++)
      fill_message(&messages[i].msg_hdr, &vectors[i], &packets[i]);
    transmit_many(&socket->timed, messages, count, store_outcome, &outcomes);
    if (!outcomes.is_ok)
      return NULL;
  }
  return outcomes.array;
}
