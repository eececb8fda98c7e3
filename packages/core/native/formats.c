#include "formats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static void write16(uint8_t *bytes, uint32_t value)
{
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

static void write32(uint8_t *bytes, uint32_t value)
{
  write16(bytes, value >> 16);
  write16(bytes + 2, value & 0xffff);
}

static uint32_t read16(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t read32(const uint8_t *bytes)
{
  return read16(bytes) << 16 | read16(bytes + 2);
}

/* RFC 1071 §1, over network order. */
static uint32_t sum16(uint32_t sum, const uint8_t *bytes, uint32_t length)
{
  uint64_t wide = sum;

  for (uint32_t i = 0; i + 1 < length; i += 2)
    wide += read16(bytes + i);
  if (length % 2 == 1)
    wide += (uint32_t)bytes[length - 1] << 8;
  while (wide > 0xffff)
    wide = (wide & 0xffff) + (wide >> 16);
  return (uint32_t)wide;
}

static struct engine *engine_of(const struct lane *lane)
{
  return lane->engine;
}

static int family_of(const struct lane *lane)
{
  return lane->sockets[0].timed.kind->family;
}

static uint32_t no_remarks(const struct series *series, const uint8_t *bytes, uint32_t length)
{
  (void)series;
  (void)bytes;
  (void)length;
  return 0;
}

/*
 * ICMP echo (RFC 792, RFC 4443 §4.1–4.2). The first bytes of the payload identify the question, since the sequence number of the header
 * has 16 bits. src/net/packets/script-engine.ts has the same layout.
 */
enum { ECHO_HEADER = 8, TOKEN_SENDER = 8, TOKEN_SEQUENCE = 12, TOKEN_LENGTH = 16, TOKEN_END = 20 };

static uint32_t echo_length(const struct series *series)
{
  return ECHO_HEADER + series->payload_bytes;
}

static int echo_write(struct question *question, uint8_t *bytes, uint32_t length)
{
  const struct lane *lane = question->socket->lane;

  memset(bytes, 0, length);
  bytes[0] = family_of(lane) == AF_INET ? 8 : 128;
  write16(bytes + 4, lane->sender & 0xffff);
  write16(bytes + 6, question->sequence & 0xffff);
  write32(bytes + TOKEN_SENDER, lane->sender);
  write32(bytes + TOKEN_SEQUENCE, question->sequence);
  write32(bytes + TOKEN_LENGTH, length - ECHO_HEADER);
  /* Over IPv6 the kernel sets it (RFC 3542 §3.1). */
  if (family_of(lane) == AF_INET)
    write16(bytes + 2, ~sum16(0, bytes, length) & 0xffff);
  return 0;
}

static struct question *echo_find(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_ours)
{
  bool is_v4 = family_of(lane) == AF_INET;

  *is_ours = length >= TOKEN_END && bytes[0] == (is_v4 ? 0 : 129) && bytes[1] == 0 &&
             read32(bytes + TOKEN_SENDER) == lane->sender && read32(bytes + TOKEN_LENGTH) == length - ECHO_HEADER &&
             (!is_v4 || sum16(0, bytes, length) == 0xffff);
  return *is_ours ? questions_find(&engine_of(lane)->questions, read32(bytes + TOKEN_SEQUENCE)) : NULL;
}

/* A router may quote 8 bytes only (RFC 792): then the sequence number of the header has to do, if only one question has it. */
static struct question *echo_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_vague)
{
  if (length < ECHO_HEADER || bytes[0] != (family_of(lane) == AF_INET ? 8 : 128))
    return NULL;
  /* Raw sockets receive the errors of all pings of this host; those of a ping socket have its own identifier. */
  if (lane->sockets[0].timed.kind->type == SOCK_RAW && read16(bytes + 4) != (lane->sender & 0xffff))
    return NULL;
  if (length >= TOKEN_LENGTH)
    return read32(bytes + TOKEN_SENDER) != lane->sender
             ? NULL
             : questions_find(&engine_of(lane)->questions, read32(bytes + TOKEN_SEQUENCE));
  struct question *found = questions_find_low(&engine_of(lane)->questions, read16(bytes + 6));
  if (found != NULL && (found->sequence & 0xffff) == read16(bytes + 6))
    return found;
  *is_vague = true;
  return NULL;
}

/* Scout's UDP echo: src/wire/echo-datagram.ts describes it. */
enum {
  DATAGRAM_MAGIC = 0x53435554,
  DATAGRAM_VERSION = 1,
  DATAGRAM_REQUEST = 1,
  DATAGRAM_REPLY = 2,
  DATAGRAM_TAGGED = 16,
  DATAGRAM_TAG = 8,
  DATAGRAM_HEADER = DATAGRAM_TAGGED + DATAGRAM_TAG,
};

static uint32_t datagram_length(const struct series *series)
{
  return series->payload_bytes;
}

static void datagram_set_tag(const struct hmac_key *key, uint8_t *bytes)
{
  uint8_t tag[HMAC_BYTES];

  hmac_tag(key, bytes, DATAGRAM_TAGGED, tag);
  memcpy(bytes + DATAGRAM_TAGGED, tag, DATAGRAM_TAG);
}

/* In a time that does not depend on the bytes. */
static bool datagram_is_genuine(const struct hmac_key *key, const uint8_t *bytes)
{
  uint8_t tag[HMAC_BYTES];
  uint8_t difference = 0;

  hmac_tag(key, bytes, DATAGRAM_TAGGED, tag);
  for (int i = 0; i < DATAGRAM_TAG; i++)
    difference |= tag[i] ^ bytes[DATAGRAM_TAGGED + i];
  return difference == 0;
}

static bool datagram_is(uint8_t kind, const uint8_t *bytes, uint32_t length)
{
  return length >= DATAGRAM_HEADER && read32(bytes) == DATAGRAM_MAGIC && bytes[4] == DATAGRAM_VERSION &&
         bytes[5] == kind && read16(bytes + 6) == length;
}

static int datagram_write(struct question *question, uint8_t *bytes, uint32_t length)
{
  memset(bytes, 0, length);
  write32(bytes, DATAGRAM_MAGIC);
  bytes[4] = DATAGRAM_VERSION;
  bytes[5] = DATAGRAM_REQUEST;
  write16(bytes + 6, length);
  write32(bytes + 8, question->socket->lane->sender);
  write32(bytes + 12, question->sequence);
  datagram_set_tag(&question->series->key, bytes);
  return 0;
}

static struct question *datagram_find(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_ours)
{
  *is_ours = datagram_is(DATAGRAM_REPLY, bytes, length) && read32(bytes + 8) == lane->sender;
  return *is_ours ? questions_find(&engine_of(lane)->questions, read32(bytes + 12)) : NULL;
}

static struct question *datagram_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_vague)
{
  if (length < DATAGRAM_TAGGED) {
    *is_vague = true;
    return NULL;
  }
  if (read32(bytes) != DATAGRAM_MAGIC || bytes[5] != DATAGRAM_REQUEST || read32(bytes + 8) != lane->sender)
    return NULL;
  return questions_find(&engine_of(lane)->questions, read32(bytes + 12));
}

static uint32_t datagram_judge(const struct series *series, const uint8_t *bytes, uint32_t length)
{
  (void)length;
  return datagram_is_genuine(&series->key, bytes) ? 0 : FLAG_NOT_GENUINE;
}

bool echo_datagram_reply(const struct hmac_key *key, uint8_t *bytes, uint32_t length)
{
  if (!datagram_is(DATAGRAM_REQUEST, bytes, length) || !datagram_is_genuine(key, bytes))
    return false;
  bytes[5] = DATAGRAM_REPLY;
  datagram_set_tag(key, bytes);
  return true;
}

/*
 * A half-open handshake. The SYN leaves through a raw socket, from a port that a bound socket reserves. No socket owns the connection,
 * so the kernel answers a SYN-ACK with RST, as intended: the target drops the connection at once, its application never sees it, and
 * only its TcpAttemptFails counter grows. A firewall that drops this RST, such as a rule against port scanners, leaves half-open
 * connections at the target.
 *
 * The options are those Linux sends, because a SYN without options looks like a port scan (RFC 9293 §3.2, RFC 2018 §2, RFC 7323 §2–3).
 */
enum { SYN_BYTES = 40, SYN_WINDOW = 64240, TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16, TCP_HEADER = 20, CHECKSUM_AT = 16 };

static uint32_t syn_length(const struct series *series)
{
  (void)series;
  return SYN_BYTES;
}

/* The checksum covers the source address (RFC 9293 §3.1). Connecting a UDP socket looks the route up and sends nothing (ip(7)). */
static int syn_seal(const struct lane *lane, const union address *to, uint8_t *bytes)
{
  union address destination = *to, source;
  socklen_t length = sizeof source;
  uint8_t pseudo_header[12] = {[9] = IPPROTO_TCP, [11] = SYN_BYTES};

  destination.v4.sin_port = htons(9);
  if (connect(lane->route, &destination.any, address_length(&destination)) != 0 ||
      getsockname(lane->route, &source.any, &length) != 0)
    return errno;
  memcpy(pseudo_header, &source.v4.sin_addr, 4);
  memcpy(pseudo_header + 4, &to->v4.sin_addr, 4);
  write16(bytes + CHECKSUM_AT, ~sum16(sum16(0, pseudo_header, sizeof pseudo_header), bytes, SYN_BYTES) & 0xffff);
  return 0;
}

static int syn_write(struct question *question, uint8_t *bytes, uint32_t length)
{
  const struct lane *lane = question->socket->lane;
  uint64_t random = engine_random(lane->engine);
  bool is_v4 = family_of(lane) == AF_INET;
  const uint8_t options[] = {2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7};

  question->source_port = lane->ports[random % lane->port_count];
  question->nonce = (uint32_t)(random >> 16 & 0xffff0000) | (question->sequence & 0xffff);
  memset(bytes, 0, length);
  write16(bytes, question->source_port);
  write16(bytes + 2, question->port);
  write32(bytes + 4, question->nonce);
  bytes[12] = SYN_BYTES / 4 << 4;
  bytes[13] = TCP_SYN;
  write16(bytes + 14, SYN_WINDOW);
  memcpy(bytes + TCP_HEADER, options, sizeof options);
  /* An Ethernet frame minus the headers (RFC 9293 §3.7.1). */
  write16(bytes + TCP_HEADER + 2, is_v4 ? 1460 : 1440);
  write32(bytes + TCP_HEADER + 8, (uint32_t)(question->handed_ns / 1000000));
  /* Over IPv6 the kernel sets the checksum (RFC 3542 §3.1). */
  return is_v4 ? syn_seal(lane, &question->to, bytes) : 0;
}

static struct question *syn_question(const struct lane *lane, uint32_t nonce, uint32_t source_port, uint32_t port)
{
  struct question *question = questions_find_low(&engine_of(lane)->questions, nonce & 0xffff);

  return question != NULL && question->nonce == nonce && question->source_port == source_port && question->port == port &&
             question->socket->lane == lane
           ? question
           : NULL;
}

/* RFC 9293 §3.10.7.3: the answer to a SYN is SYN-ACK or RST-ACK. Only these acknowledge it. */
static struct question *syn_find(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_ours)
{
  *is_ours = length >= TCP_HEADER && (bytes[13] & TCP_ACK) != 0 && (bytes[13] & (TCP_SYN | TCP_RST)) != 0;
  return *is_ours ? syn_question(lane, read32(bytes + 8) - 1, read16(bytes + 2), read16(bytes)) : NULL;
}

/* Ports and sequence number are in the 8 bytes that every router quotes (RFC 792). */
static struct question *syn_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_vague)
{
  (void)is_vague;
  return length < 8 ? NULL : syn_question(lane, read32(bytes + 4), read16(bytes), read16(bytes + 2));
}

static uint32_t syn_judge(const struct series *series, const uint8_t *bytes, uint32_t length)
{
  (void)series;
  (void)length;
  return (bytes[13] & TCP_RST) != 0 ? FLAG_RESET : 0;
}

static const struct format formats[] = {
  {.name = "echo",
   .is_shared = true,
   .least_payload = TOKEN_END - ECHO_HEADER,
   .length = echo_length,
   .write = echo_write,
   .find = echo_find,
   .find_quoted = echo_find_quoted,
   .judge = no_remarks},
  {.name = "datagram",
   .least_payload = DATAGRAM_HEADER,
   .length = datagram_length,
   .write = datagram_write,
   .find = datagram_find,
   .find_quoted = datagram_find_quoted,
   .judge = datagram_judge},
  {.name = "syn",
   .is_shared = true,
   .length = syn_length,
   .write = syn_write,
   .find = syn_find,
   .find_quoted = syn_find_quoted,
   .judge = syn_judge},
};

const struct format *format_named(const char *name)
{
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (strcmp(formats[i].name, name) == 0)
      return &formats[i];
  return NULL;
}
