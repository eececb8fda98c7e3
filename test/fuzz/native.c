/*
 * libFuzzer on the C that receives packets: from recvmmsg, which this file answers in place of the kernel, to the rows that JavaScript
 * reads. The engine has asked one question on each lane. The input says what arrives on one of them, or at a responder.
 *
 * | bytes | meaning                                                                                                |
 * | ----- | ------------------------------------------------------------------------------------------------------ |
 * | 0     | lane, or responder                                                                                     |
 * | then, for each message:                                                                                         |
 * | 0     | from the error queue (bit 0), from another address (1), truncated (2), XOR on a fitting packet (3)     |
 * | 1     | number of control messages                                                                             |
 * | 2–3   | length of the packet                                                                                   |
 * | then the control messages, each with its kind, its claimed length and what is there of it, and the packet       |
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <linux/errqueue.h>
#include <sanitizer/asan_interface.h>

#include "engine.h"
#include "formats.h"
#include "responder.h"
#include "stamp.h"

enum { LANES = 6, ECHO_PAYLOAD = 56, PLACES = 16, PACKET_BYTES = 65536, MOST_SENT = 256, MOST_MESSAGES = 8 };

static const struct {
  const char *format;
  struct socket_kind kind;
} lane_kinds[LANES] = {
  {"echo", {"icmp4", AF_INET, SOCK_RAW, IPPROTO_ICMP, false, true, false}},
  {"echo", {"icmp6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, false, false, false}},
  {"stamp", {"udp4", AF_INET, SOCK_DGRAM, IPPROTO_UDP, true, false, false}},
  {"stamp", {"udp6", AF_INET6, SOCK_DGRAM, IPPROTO_UDP, true, false, false}},
  {"syn", {"tcp4", AF_INET, SOCK_RAW, IPPROTO_TCP, false, true, false}},
  {"syn", {"tcp6", AF_INET6, SOCK_RAW, IPPROTO_TCP, false, false, false}},
};

static struct engine engine;
static struct engine_memory memory;
static uint8_t packets[BATCH * PACKET_BYTES];
static struct lane *lanes[LANES];
static struct responder *responder;

/* What the lane that is being fuzzed has sent. */
static uint8_t sent[LANES][MOST_SENT];
static uint32_t sent_bytes[LANES];
static uint32_t sending;

/* Freed after each run. */
static void *controls[1024];
static uint32_t control_count;

/* The rest of the input. */
static const uint8_t *input;
static size_t input_bytes;
static uint32_t target;

static uint8_t take(void)
{
  if (input_bytes == 0)
    return 0;
  input_bytes--;
  return *input++;
}

static size_t take_bytes(uint8_t *bytes, size_t length)
{
  size_t count = length < input_bytes ? length : input_bytes;

  memcpy(bytes, input, count);
  input += count;
  input_bytes -= count;
  return count;
}

static union address peer_of(int family)
{
  union address peer = {0};

  peer.any.sa_family = (sa_family_t)family;
  if (family == AF_INET) {
    peer.v4.sin_port = htons(7);
    peer.v4.sin_addr.s_addr = htonl(0x0a000001);
  } else {
    peer.v6.sin6_port = htons(7);
    peer.v6.sin6_addr.s6_addr[0] = 0xfd;
    peer.v6.sin6_addr.s6_addr[15] = 1;
  }
  return peer;
}

static int family_of_target(void)
{
  return target < LANES ? lane_kinds[target].kind.family : AF_INET;
}

/* Levels and types that sockets ask for, and one that they do not. */
static const struct {
  int level, type;
} control_kinds[] = {
  {SOL_SOCKET, SO_TIMESTAMPING}, {IPPROTO_IP, IP_TTL},          {IPPROTO_IP, IP_TOS},        {IPPROTO_IP, IP_PKTINFO},
  {IPPROTO_IP, IP_RECVERR},      {IPPROTO_IPV6, IPV6_HOPLIMIT}, {IPPROTO_IPV6, IPV6_TCLASS}, {IPPROTO_IPV6, IPV6_PKTINFO},
  {IPPROTO_IPV6, IPV6_RECVERR},  {SOL_SOCKET, SCM_RIGHTS},
};

/* The kernel's stamps are of times that a clock can show. */
static void keep_possible(uint8_t *bytes, size_t length)
{
  for (size_t at = 0; at + CMSG_LEN(sizeof(struct timespec)) <= length;) {
    struct cmsghdr header;
    struct timespec stamp;

    memcpy(&header, bytes + at, sizeof header);
    memcpy(&stamp, bytes + at + CMSG_LEN(0), sizeof stamp);
    stamp.tv_sec &= 0xffffffff;
    stamp.tv_nsec = (long)((unsigned long)stamp.tv_nsec % 1000000000);
    if (header.cmsg_type == SO_TIMESTAMPING)
      memcpy(bytes + at + CMSG_LEN(0), &stamp, sizeof stamp);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > length)
      break; /* where control_read ends, too */
    at += CMSG_ALIGN(header.cmsg_len);
  }
}

/* Fills the control buffer, which then has exactly the size of what is in it, so that AddressSanitizer sees what is read past it. */
static void fill_control(struct msghdr *message, uint8_t count)
{
  uint8_t bytes[CONTROL_BYTES] = {0};
  size_t used = 0;

  for (uint8_t i = 0; i < count % 8; i++) {
    uint8_t kind = take(), claimed = take(), there = take();
    struct cmsghdr header = {
      .cmsg_len = CMSG_LEN(0) + claimed,
      .cmsg_level = control_kinds[kind % (sizeof control_kinds / sizeof *control_kinds)].level,
      .cmsg_type = control_kinds[kind % (sizeof control_kinds / sizeof *control_kinds)].type,
    };

    if (used + sizeof header + there > sizeof bytes)
      break;
    memcpy(bytes + used, &header, sizeof header);
    take_bytes(bytes + used + sizeof header, there);
    used = CMSG_ALIGN(used + sizeof header + there);
  }
  if (used > sizeof bytes)
    used = sizeof bytes;
  keep_possible(bytes, used);
  message->msg_control = controls[control_count++] = malloc(used > 0 ? used : 1);
  memcpy(message->msg_control, bytes, used);
  message->msg_controllen = used;
}

/* An answer to what the lane has sent. */
static void turn_into_answer(uint8_t *bytes, uint32_t length)
{
  switch (target < LANES ? target / 2 : LANES) {
  case 0:
    bytes[0] = family_of_target() == AF_INET ? 0 : 129;
    if (family_of_target() == AF_INET && length > 3)
      bytes[2] = (uint8_t)(bytes[2] + 8); /* the type's part of the checksum (RFC 1624 §3) */
    break;
  case 1: {
    const struct stamp_reflection reflection = {.received_ns = INT64_C(1698685789) * 1000000000, .received_by = STAMPED_BY_KERNEL};

    if (length < STAMP_KEYED_BYTES)
      break;
    stamp_reflect(&responder->key, bytes, length, &reflection);
    stamp_seal(&responder->key, bytes, reflection.received_ns);
    break;
  }
  case 2: {
    uint8_t ports[4];

    memcpy(ports, bytes, sizeof ports);
    memcpy(bytes, ports + 2, 2);
    memcpy(bytes + 2, ports, 2);
    memcpy(bytes + 8, bytes + 4, 4);
    for (int at = 11; ++bytes[at] == 0 && at > 8; at--)
      continue;
    bytes[13] = 0x12;
    break;
  }
  }
}

static uint32_t fill_packet(uint8_t *bytes, uint32_t room, uint32_t wanted, uint8_t flags)
{
  uint32_t model = target < LANES ? target : 2;
  uint32_t length = 0;

  if ((flags & 8) == 0) {
    length = (uint32_t)take_bytes(bytes, wanted < room ? wanted : room);
    return length;
  }
  bool has_header = (flags & 1) == 0 && target < LANES && lane_kinds[target].kind.has_ip_header;
  if (has_header) {
    memset(bytes, 0, 20);
    bytes[0] = 0x45;
    length = 20;
  }
  memcpy(bytes + length, sent[model], sent_bytes[model]);
  if ((flags & 1) == 0)
    turn_into_answer(bytes + length, sent_bytes[model]);
  length += sent_bytes[model];
  if (wanted < length)
    length = wanted;
  for (uint32_t at = 0; at < length && input_bytes > 0; at++)
    bytes[at] ^= take();
  return length;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
  unsigned filled = 0;

  (void)fd;
  (void)timeout;
  for (; filled < count && filled < MOST_MESSAGES && input_bytes > 0 && control_count < sizeof controls / sizeof *controls; filled++) {
    bool is_error = (input[0] & 1) != 0;

    if (is_error != ((flags & MSG_ERRQUEUE) != 0))
      break;
    uint8_t how = take(), control_messages = take();
    uint32_t wanted = (uint32_t)take() << 8;
    wanted |= take();
    struct msghdr *message = &messages[filled].msg_hdr;
    union address from = peer_of(family_of_target());
    if ((how & 2) != 0)
      from.any.sa_family = AF_INET == from.any.sa_family ? AF_INET6 : AF_INET;
    memcpy(message->msg_name, &from, sizeof from);
    message->msg_namelen = address_length(&from);
    fill_control(message, control_messages);
    uint32_t room = (uint32_t)message->msg_iov->iov_len;
    uint32_t length = fill_packet(message->msg_iov->iov_base, room, wanted, how);
    /* What lies behind the packet is not to be read. */
    ASAN_POISON_MEMORY_REGION((uint8_t *)message->msg_iov->iov_base + length, room - length);
    messages[filled].msg_len = (how & 4) != 0 ? room + wanted : length;
    if ((how & 4) != 0)
      ASAN_UNPOISON_MEMORY_REGION(message->msg_iov->iov_base, room);
    message->msg_flags = (how & 4) != 0 ? MSG_TRUNC : 0;
  }
  if (filled > 0)
    return (int)filled;
  errno = EAGAIN;
  return -1;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
  (void)fd;
  (void)flags;
  for (unsigned i = 0; i < count; i++) {
    const struct iovec *vector = messages[i].msg_hdr.msg_iov;

    sent_bytes[sending] = (uint32_t)(vector->iov_len < MOST_SENT ? vector->iov_len : MOST_SENT);
    memcpy(sent[sending], vector->iov_base, sent_bytes[sending]);
  }
  return (int)count;
}

/* Of SO_MEMINFO: nothing was dropped. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
  (void)fd;
  (void)level;
  (void)name;
  memset(value, 0, *length);
  return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
  (void)fd;
  (void)level;
  (void)name;
  (void)value;
  (void)length;
  return 0;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
  (void)fd;
  (void)address;
  (void)length;
  return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
  (void)fd;
  memset(address, 0, *length);
  return 0;
}

static void no_news(struct engine *of)
{
  (void)of;
}

static void start_departures(struct departures *departures)
{
  struct departure *ring = calloc(PLACES, sizeof *ring);
  uint32_t *kernel_ids = calloc(PLACES, sizeof *kernel_ids);

  departures_start(departures, ring, kernel_ids, PLACES);
}

static struct lane *open_lane(uint32_t index)
{
  struct lane *lane = calloc(1, sizeof *lane + sizeof *lane->sockets);

  lane->engine = &engine;
  lane->format = format_named(lane_kinds[index].format);
  lane->number = index;
  lane->route = -1;
  lane->ports = malloc(sizeof *lane->ports);
  lane->ports[0] = 40000;
  lane->port_count = lane->socket_count = 1;
  lane->sockets[0].lane = lane;
  lane->sockets[0].timed.kind = &lane_kinds[index].kind;
  lane->sockets[0].timed.fd = -1;
  start_departures(&lane->sockets[0].timed.departures);
  lane_begin(lane);
  return lane;
}

/* Asks one question, which is repeated, so that its series outlives the answer. */
static struct series *ask_on(struct lane *lane, uint32_t index)
{
  struct series *series = calloc(1, sizeof *series);

  series->slot = index;
  series->id = index;
  series->lane = lane;
  series->interval_ns = INT64_C(1) << 60;
  series->timeout_ns = INT64_C(1) << 40;
  series->flow = 0;
  series->payload_bytes = ECHO_PAYLOAD;
  series->port = 7;
  series->to = peer_of(lane_kinds[index].kind.family);
  hmac_key_set(&series->key, (const uint8_t *)"key", 3);
  timers_reserve(&engine.due, 1);
  timers_set(&engine.due, &series->due, 0);
  sending = index;
  send_due(&engine, 0);
  return series;
}

static void open_responder(void)
{
  static struct socket_kind kind = {"udp4", AF_INET, SOCK_DGRAM, IPPROTO_UDP, true, false, false};

  responder = calloc(1, sizeof *responder);
  responder->engine = &engine;
  responder->counts = &memory.responders[0];
  responder->sessions = &memory.sessions[0];
  responder->timed.kind = &kind;
  responder->timed.fd = -1;
  hmac_key_set(&responder->key, (const uint8_t *)"key", 3);
  start_departures(&responder->timed.departures);
  responder_begin(responder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
  struct series *series[LANES];

  memset(&engine, 0, sizeof engine);
  memset(&memory.counts, 0, sizeof memory.counts);
  engine.memory = &memory;
  engine.packets = packets;
  engine.notify = no_news;
  engine.last_waiting = &engine.first_waiting;
  engine.look_ns = INT64_MAX;
  /* Taken for one that has begun to stamp. */
  engine.timed.stamping.is_certain = true;
  time_line_start(&engine.timed.line);
  if (!questions_start(&engine.questions, 1))
    abort();
  for (uint32_t i = 0; i < LANES; i++)
    lanes[i] = open_lane(i);
  open_responder();
  for (uint32_t i = 0; i < LANES; i++)
    series[i] = ask_on(lanes[i], i);
  input = bytes;
  input_bytes = length;
  target = take() % (LANES + 1);
  if (target < LANES)
    read_socket(&lanes[target]->sockets[0]);
  else if (!responder_read(&engine, &responder->timed))
    abort();
  ASAN_UNPOISON_MEMORY_REGION(packets, MOST_MESSAGES * PACKET_BYTES);
  ASAN_UNPOISON_MEMORY_REGION(&engine.timed, sizeof engine.timed);
  for (uint32_t i = 0; i < LANES; i++) {
    series_forget(series[i]);
    lane_end(lanes[i]);
    free(series[i]);
  }
  responder_free(responder);
  questions_free(&engine.questions);
  timers_free(&engine.due);
  timers_free(&engine.deadlines);
  results_free(&engine);
  while (control_count > 0)
    free(controls[--control_count]);
  return 0;
}
