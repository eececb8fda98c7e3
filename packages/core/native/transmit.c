#include <errno.h>

#include "socket_options.h"
#include "timed_socket.h"

enum {
  ATTEMPTS = 4,
  /* Stamps are charged to the receive buffer; a burst sent in one go must not fill it before the socket is read. */
  DRAIN_EVERY = 64,
};

static void read_errors(struct timed_socket *socket)
{
  socket->sent_since_drain = 0;
  socket->events->must_read_errors(socket);
}

static void note_sent(struct timed_socket *socket, unsigned count, int64_t handed_ns)
{
  for (unsigned i = 0; i < count; i++)
    departures_add(&socket->departures, &socket->thread->line, handed_ns);
  socket->sent_since_drain += count;
}

/* Only when the tickets of all packets are known: an error about one may be among what is read. */
static void make_room(struct timed_socket *socket)
{
  if (socket->sent_since_drain >= DRAIN_EVERY)
    read_errors(socket);
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

static void note_failed(struct timed_socket *socket)
{
  socket->is_counting = socket->is_stamped && restart_send_count(socket->fd) == 0;
  departures_restart(&socket->departures);
}

/*
 * An ICMP error about an earlier packet makes the next send on its socket fail once, whatever its destination (sock_error() in
 * net/core/sock.c, sock_alloc_send_pskb). An error of this packet itself repeats.
 */
static int transmit_one(struct timed_socket *socket, struct msghdr *message)
{
  int error = 0;

  for (int i = 0; i < ATTEMPTS; i++) {
    int64_t handed_ns = time_line_read();

    if (sendmsg(socket->fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
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
    read_errors(socket);
  }
  return error;
}

int transmit(struct timed_socket *socket, struct msghdr *message)
{
  int error = transmit_one(socket, message);

  make_room(socket);
  return error;
}

void transmit_many(struct timed_socket *socket, struct mmsghdr *messages, uint32_t count, transmitted outcome, void *context)
{
  for (uint32_t done = 0; done < count;) {
    int64_t handed_ns = time_line_read();
    int sent = sendmmsg(socket->fd, messages + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    uint64_t ticket = socket->departures.count;

    if (sent > 0)
      note_sent(socket, (unsigned)sent, handed_ns);
    for (int i = 0; i < sent; i++)
      outcome(context, done++, 0, ticket++);
    make_room(socket);
    if (done == count)
      break;
    /* The kernel refused the next one without saying why (net/socket.c, __sys_sendmmsg). */
    note_failed(socket);
    int error = transmit_one(socket, &messages[done].msg_hdr);
    outcome(context, done++, error, socket->departures.count - 1);
  }
}
