#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "formats.h"
#include "timed_socket.h"

/*
 * Packets are read before the error queue: the kernel stamps a packet before it leaves, so the stamp of every packet whose
 * answer was read is in the queue by then, and in the ring of departures when the answer is handed over.
 *
 * A time is called the kernel's only where that is certain:
 * - No step of the wall clock was seen since the stamp was taken. Stamps lie in queues for a while, so after a step they are
 *   trusted again only when the queues were found empty once.
 * - It is no replacement (stamping.h). Where it is not certain that the kernel has begun to stamp, what a young socket reads
 *   must have been stamped before it was read.
 */
enum {
  YOUNG_NS = 100000000,
  ERROR_ROUNDS = 16,
  ATTEMPTS = 4,
};

static void prepare(struct receive_batch *batch, unsigned count, uint8_t *packets, size_t packet_bytes)
{
  for (unsigned i = 0; i < count; i++) {
    batch->vectors[i] = (struct iovec){.iov_base = packets + i * packet_bytes, .iov_len = packet_bytes};
    batch->messages[i].msg_hdr = (struct msghdr){
      .msg_name = &batch->names[i],
      .msg_namelen = sizeof batch->names[i],
      .msg_iov = &batch->vectors[i],
      .msg_iovlen = 1,
      .msg_control = &batch->controls[i],
      .msg_controllen = sizeof batch->controls[i],
    };
    batch->names[i].any.sa_family = AF_UNSPEC;
  }
}

/*
 * An ICMP error makes the next call on its socket fail once (sock_error()), whichever destination it is about. Its details
 * are in the error queue, so the failed call itself is ignored.
 */
static unsigned read_batch(int fd, struct receive_batch *batch, unsigned count, int flags)
{
  for (int i = 0; i < ATTEMPTS; i++) {
    int received = recvmmsg(fd, batch->messages, count, flags | MSG_DONTWAIT, NULL);

    if (received >= 0)
      return (unsigned)received;
    if (errno == EAGAIN)
      return 0;
  }
  return 0;
}

/* The time of a stamp; false when it is missing, or no clock to trust. */
static bool place_stamp(const struct timed_socket *socket, const struct timespec *stamp, int64_t read_ns, int64_t *at_ns)
{
  const struct time_line *line = &socket->thread->line;

  if ((stamp->tv_sec == 0 && stamp->tv_nsec == 0) || socket->trusted_steps != line->steps)
    return false;
  *at_ns = time_line_place(line, stamp);
  return *at_ns <= read_ns + line->doubt_ns;
}

static uint32_t hand_over(struct timed_socket *socket, unsigned received, int64_t began_ns, int64_t ended_ns)
{
  struct receive_batch *batch = &socket->thread->packets;
  bool is_doubtful = !socket->thread->stamping.is_certain && ended_ns - socket->opened_ns < YOUNG_NS;
  uint32_t handed = 0;

  for (unsigned i = 0; i < received; i++) {
    struct mmsghdr *message = &batch->messages[i];
    uint32_t whole = message->msg_len;
    struct control control;
    struct arrived_packet packet = {
      .bytes = socket->packets + i * socket->packet_bytes,
      .length = whole < socket->packet_bytes ? whole : (uint32_t)socket->packet_bytes,
      .control = &control,
      .from = &batch->names[i],
    };

    packet.is_truncated = whole > packet.length || (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (socket->kind->has_ip_header && !skip_ip_header(&packet.bytes, &packet.length))
      continue;
    control_read(&message->msg_hdr, &control);
    packet.clock = CLOCK_OF_KERNEL;
    if (!place_stamp(socket, &control.stamp, ended_ns, &packet.at_ns) || (is_doubtful && packet.at_ns >= began_ns)) {
      packet.clock = CLOCK_OF_PROCESS;
      packet.at_ns = ended_ns;
    }
    socket->events->arrived(socket, &packet);
    handed++;
  }
  return handed;
}

static void hand_over_error(struct timed_socket *socket, unsigned i, const struct control *control, int64_t ended_ns)
{
  struct receive_batch *batch = &socket->thread->errors;
  uint32_t length = batch->messages[i].msg_len;
  struct failed_packet packet = {
    .bytes = socket->thread->error_packets[i],
    .length = length < ERROR_BYTES ? length : ERROR_BYTES,
    .clock = CLOCK_OF_KERNEL,
    .control = control,
    .to = &batch->names[i].ip,
  };

  if (!place_stamp(socket, &control->stamp, ended_ns, &packet.at_ns)) {
    packet.clock = CLOCK_OF_PROCESS;
    packet.at_ns = ended_ns;
  }
  socket->events->failed(socket, &packet);
}

/*
 * Whether it says that its packet is lost. A redirect or source quench does not, and a packet with an answer on its way must not fail
 * by it; ping sockets queue them all the same (net/ipv4/ping.c, ping_err). src/model/icmp.ts has the meaning of each (RFC 792, RFC 4443
 * §2.1).
 */
static bool is_icmp_error(const struct sock_extended_err *error)
{
  if (error->ee_origin == SO_EE_ORIGIN_ICMP6)
    return error->ee_type < 128;
  return error->ee_type == ICMP_DEST_UNREACH || error->ee_type == ICMP_TIME_EXCEEDED || error->ee_type == ICMP_PARAMETERPROB;
}

static void take_stamp(struct timed_socket *socket, const struct control *control, int64_t ended_ns)
{
  int64_t left_ns;

  if (control->error.ee_info != SCM_TSTAMP_SND || !place_stamp(socket, &control->stamp, ended_ns, &left_ns))
    return;
  if (socket->events->left != NULL)
    socket->events->left(socket, control->error.ee_data, left_ns);
  else if (socket->is_counting)
    departures_stamp(&socket->departures, &socket->thread->line, control->error.ee_data, left_ns);
}

static uint32_t error_room(const struct timed_socket *socket)
{
  uint32_t room = socket->events->error_room == NULL ? BATCH : socket->events->error_room(socket);

  return room < BATCH ? room : BATCH;
}

bool receive_errors(struct timed_socket *socket)
{
  struct receive_batch *batch = &socket->thread->errors;

  for (int round = 0; round < ERROR_ROUNDS; round++) {
    unsigned wanted = error_room(socket);

    if (wanted == 0)
      return false;
    prepare(batch, wanted, socket->thread->error_packets[0], ERROR_BYTES);
    unsigned received = read_batch(socket->fd, batch, wanted, MSG_ERRQUEUE);
    int64_t ended_ns = received == 0 ? 0 : time_line_now(&socket->thread->line);

    for (unsigned i = 0; i < received; i++) {
      struct control control;

      control_read(&batch->messages[i].msg_hdr, &control);
      if (!control.has_error)
        continue;
      switch (control.error.ee_origin) {
      case SO_EE_ORIGIN_TIMESTAMPING:
        take_stamp(socket, &control, ended_ns);
        break;
      case SO_EE_ORIGIN_ICMP:
      case SO_EE_ORIGIN_ICMP6:
        if (is_icmp_error(&control.error))
          hand_over_error(socket, i, &control, ended_ns);
        break;
      case SO_EE_ORIGIN_LOCAL:
        /* The send itself has failed with this error; only the MTU is news (net/ipv4/ip_output.c, ip_local_error). */
        if (control.error.ee_errno == EMSGSIZE)
          socket->local_mtu = control.error.ee_info;
        break;
      }
    }
    if (received < wanted)
      return true;
  }
  return false;
}

/*
 * Returns how many packets were dropped because the receive buffer was full; called before the buffer is read. SO_RXQ_OVFL reports
 * the same counter only with the next packet, this (net/core/sock.c, sk_get_meminfo) at once. It includes packets with a wrong checksum
 * (net/ipv4/udp.c, udp_queue_rcv_one_skb), which leave the buffer empty; one that overflowed is still full.
 */
static uint32_t count_dropped(struct timed_socket *socket)
{
  uint32_t info[SK_MEMINFO_VARS];
  socklen_t length = sizeof info;

  if (getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, info, &length) != 0 ||
      length < (SK_MEMINFO_DROPS + 1) * sizeof *info)
    return 0;
  uint32_t more = info[SK_MEMINFO_DROPS] - socket->dropped;
  socket->dropped += more;
  return info[SK_MEMINFO_RMEM_ALLOC] > info[SK_MEMINFO_RCVBUF] / 2 ? more : 0;
}

struct reading receive(struct timed_socket *socket)
{
  struct time_line *line = &socket->thread->line;
  struct receive_batch *batch = &socket->thread->packets;
  int64_t began_ns = time_line_now(line);
  uint32_t steps = line->steps;
  uint32_t dropped = count_dropped(socket);

  prepare(batch, socket->batch, socket->packets, socket->packet_bytes);
  unsigned received = read_batch(socket->fd, batch, socket->batch, MSG_TRUNC);
  int64_t ended_ns = received > 0 ? time_line_now(line) : began_ns;
  struct reading reading = {.is_drained = receive_errors(socket) && received < socket->batch, .dropped = dropped};
  reading.arrivals = hand_over(socket, received, began_ns, ended_ns);
  if (reading.is_drained && line->steps == steps)
    socket->trusted_steps = steps;
  return reading;
}
