#include "send.h"

#include <errno.h>
#include <netinet/in.h>
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

/* The options of one packet, as control data (ip(7), ipv6(7)); DF has none for IPv4, so mtuDiscovery is of sockets only. */
struct packet_options {
  size_t length; /* 0 without options */
  union {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(sizeof(int)) * 2 + CMSG_SPACE(sizeof(struct in6_pktinfo))];
  } control;
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

struct option_name {
  int level;
  int type;
};

static void add_option(struct packet_options *options, struct option_name of, const void *value, size_t bytes)
{
  struct cmsghdr *header = (struct cmsghdr *)(options->control.bytes + options->length);

  header->cmsg_level = of.level;
  header->cmsg_type = of.type;
  header->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(header), value, bytes);
  options->length += CMSG_SPACE(bytes);
}

static bool read_number_option(napi_env env, napi_value object, const char *name, struct option_name of, int64_t min,
                               struct packet_options *options)
{
  napi_value value;
  bool is_given;
  int64_t number;

  if (!read_optional(env, object, name, &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!read_integer(env, value, name, min, 255, &number))
    return false;
  add_option(options, of, &(int){(int)number}, sizeof(int));
  return true;
}

/* The address it leaves from, of those of this host. */
static bool read_source(napi_env env, napi_value object, int family, struct packet_options *options)
{
  union address address;
  napi_value value, port;
  bool is_given;

  if (!read_optional(env, object, "source", &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!ok(env, napi_create_uint32(env, 0, &port)) || !read_address(env, family, value, port, &address))
    return false;
  if (family == AF_INET) {
    struct in_pktinfo info = {.ipi_spec_dst = address.v4.sin_addr};
    add_option(options, (struct option_name){.level = IPPROTO_IP, .type = IP_PKTINFO}, &info, sizeof info);
  } else {
    struct in6_pktinfo info = {.ipi6_addr = address.v6.sin6_addr, .ipi6_ifindex = address.v6.sin6_scope_id};
    add_option(options, (struct option_name){.level = IPPROTO_IPV6, .type = IPV6_PKTINFO}, &info, sizeof info);
  }
  return true;
}

static bool read_options(napi_env env, napi_value object, int family, struct packet_options *options)
{
  napi_valuetype type;
  bool is_v4 = family == AF_INET;
  int level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;

  options->length = 0;
  if (!ok(env, napi_typeof(env, object, &type)))
    return false;
  if (type == napi_undefined)
    return true;
  memset(&options->control, 0, sizeof options->control);
  return read_number_option(env, object, "ttl",
                            (struct option_name){.level = level, .type = is_v4 ? IP_TTL : IPV6_HOPLIMIT}, 1,
                            options) &&
         read_number_option(env, object, "trafficClass",
                            (struct option_name){.level = level, .type = is_v4 ? IP_TOS : IPV6_TCLASS}, 0,
                            options) &&
         read_source(env, object, family, options);
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
static int send_packet(struct packet_socket *socket, struct packet *packet, struct packet_options *options)
{
  struct msghdr message;
  struct iovec vector;
  int error = 0;

  fill_message(&message, &vector, packet);
  if (options != NULL && options->length > 0) {
    message.msg_control = options->control.bytes;
    message.msg_controllen = options->length;
  }
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

/* send(bytes, address, port, options?): ticket. The options are ttl, trafficClass and source. */
napi_value send_one(napi_env env, napi_callback_info info)
{
  napi_value arguments[4];
  struct packet_options options;
  struct packet packet;
  struct packet_socket *socket = socket_of_call(env, info, 4, arguments);

  /* An option may be a getter that closes the socket or detaches the bytes: so they are looked at after it. */
  if (socket == NULL || !read_options(env, arguments[3], socket->kind->family, &options))
    return NULL;
  if (socket->fd < 0) {
    throw_errno(env, EBADF, "sendmsg");
    return NULL;
  }
  if (!read_packet(env, socket, arguments, &packet))
    return NULL;
  int error = send_packet(socket, &packet, &options);
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
    int error = send_packet(socket, &packets[done], NULL);
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
