#include "formats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bytes.h"
#include "stamp.h"

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

bool skip_ip_header(const uint8_t **bytes, uint32_t *length)
{
  uint32_t header_length = *length == 0 ? 0 : ((*bytes)[0] & 0x0fu) * 4;

  if (header_length < 20 || header_length > *length || (*bytes)[0] >> 4 != 4)
    return false;
  *bytes += header_length;
  *length -= header_length;
  return true;
}

static struct engine *engine_of(const struct lane *lane)
{
  return lane->engine;
}

static int family_of(const struct lane *lane)
{
  return lane->sockets[0].timed.kind->family;
}

/*
 * The number of a question: 48 random bits, and 16 that point to its place, under a veil. So an answer finds its question without a
 * search, and who sees some numbers, as each target does, can guess no other. `about` tells formats apart whose numbers are shorter.
 */
static uint32_t veil_of(const struct lane *lane, uint64_t about)
{
  return (uint32_t)random_veil(&engine_of(lane)->random, about) & 0xffff;
}

static void number_question(struct question *question)
{
  const struct lane *lane = question->socket->lane;
  uint64_t high = random_next(&engine_of(lane)->random) >> 16;

  question->number = high << 16 | ((question->sequence & 0xffff) ^ veil_of(lane, high));
}

static struct question *with_number(const struct lane *lane, uint64_t number)
{
  struct question *question =
    questions_find_low(&engine_of(lane)->questions, (uint32_t)(number & 0xffff) ^ veil_of(lane, number >> 16));

  return question != NULL && question->number == number && question->socket->lane == lane ? question : NULL;
}

/* In a time that does not depend on the bytes. */
static bool is_all_zero(const uint8_t *bytes, uint32_t length)
{
  uint8_t difference = 0;

  for (uint32_t i = 0; i < length; i++)
    difference |= bytes[i];
  return difference == 0;
}

/* Flags of an answer that has to bring back so many bytes, of which those from `zeros_from` on were zero. */
static uint32_t compare(uint32_t expected, const uint8_t *bytes, uint32_t length, uint32_t zeros_from)
{
  uint32_t flags = length == expected ? 0 : FLAG_OTHER_LENGTH;

  if (length > zeros_from && !is_all_zero(bytes + zeros_from, length - zeros_from))
    flags |= FLAG_ALTERED;
  return flags;
}

/*
 * ICMP echo (RFC 792, RFC 4443 §4.1–4.2). The first bytes of the payload are the number and the length of the question; the sequence
 * number of the header has only 16 bits, and anyone can guess it. src/net/packets/script-asker.ts has the same layout.
 */
enum { ECHO_HEADER = 8, TOKEN_NUMBER = 8, TOKEN_LENGTH = 16, TOKEN_END = 20 };

static uint32_t echo_length(const struct series *series)
{
  return ECHO_HEADER + series->payload_bytes;
}

static int echo_write(struct question *question, uint8_t *bytes, uint32_t length)
{
  const struct lane *lane = question->socket->lane;

  number_question(question);
  memset(bytes, 0, length);
  bytes[0] = family_of(lane) == AF_INET ? 8 : 128;
  write16(bytes + 4, lane->sender & 0xffff);
  write16(bytes + 6, question->sequence & 0xffff);
  write64(bytes + TOKEN_NUMBER, question->number);
  write32(bytes + TOKEN_LENGTH, length - ECHO_HEADER);
  question->payload_sum = (uint16_t)sum16(0, bytes + ECHO_HEADER, length - ECHO_HEADER);
  /* Over IPv6 the kernel sets it (RFC 3542 §3.1). */
  if (family_of(lane) == AF_INET)
    write16(bytes + 2, ~sum16(0, bytes, length) & 0xffff);
  return 0;
}

/* Raw sockets receive what is for all pings of this host; what comes to a ping socket has its own identifier. */
static bool has_identifier(const struct lane *lane, const uint8_t *bytes)
{
  return lane->sockets[0].timed.kind->type != SOCK_RAW || read16(bytes + 4) == (lane->sender & 0xffff);
}

static bool is_echo_reply(const struct lane *lane, const uint8_t *bytes, uint32_t length)
{
  return length >= ECHO_HEADER && bytes[0] == (family_of(lane) == AF_INET ? 0 : 129) && bytes[1] == 0 &&
         has_identifier(lane, bytes);
}

static struct question *echo_find(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_ours)
{
  struct question *question =
    is_echo_reply(lane, bytes, length) && length >= TOKEN_LENGTH ? with_number(lane, read64(bytes + TOKEN_NUMBER)) : NULL;

  /* Without a number it may be the reply to another ping of this host. */
  *is_ours = question != NULL;
  return question;
}

/* A reply whose payload was cut off or replaced still has the header of its request. */
static struct question *echo_find_alike(const struct lane *lane, const uint8_t *bytes, uint32_t length)
{
  if (!is_echo_reply(lane, bytes, length))
    return NULL;
  struct question *found = questions_find_low(&engine_of(lane)->questions, read16(bytes + 6));
  return found != NULL && (found->sequence & 0xffff) == read16(bytes + 6) && found->socket->lane == lane ? found : NULL;
}

/* The checksum of ICMPv6 is the kernel's business; that of ICMP too, except on raw sockets. */
static uint32_t echo_judge(const struct question *question, const uint8_t *bytes, uint32_t length, bool *is_genuine)
{
  const struct lane *lane = question->socket->lane;
  uint32_t expected = question->length;
  uint32_t flags = compare(expected, bytes, length, TOKEN_END);

  *is_genuine = true;
  if (length >= TOKEN_END && read32(bytes + TOKEN_LENGTH) != expected - ECHO_HEADER)
    flags |= FLAG_ALTERED;
  if (family_of(lane) == AF_INET && sum16(0, bytes, length) != 0xffff)
    flags |= FLAG_ALTERED;
  return flags;
}

/*
 * A router may quote 8 bytes only (RFC 792). Then the checksum stands for the number, which it covers: others know identifier and sequence
 * number, or can guess them. Over IPv6 an error quotes more (RFC 4443 §2.4(c)), and a shorter one is not genuine.
 */
static bool is_header_of(const struct question *question, const uint8_t *bytes)
{
  const struct lane *lane = question->socket->lane;

  return (question->sequence & 0xffff) == read16(bytes + 6) && family_of(lane) == AF_INET &&
         sum16(question->payload_sum, bytes, ECHO_HEADER) == 0xffff;
}

static struct question *echo_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, enum quoted *quoted)
{
  *quoted = QUOTED_OTHERS;
  if (length < ECHO_HEADER || bytes[0] != (family_of(lane) == AF_INET ? 8 : 128) || !has_identifier(lane, bytes))
    return NULL;
  *quoted = QUOTED_UNKNOWN;
  if (length >= TOKEN_LENGTH)
    return with_number(lane, read64(bytes + TOKEN_NUMBER));
  struct question *found = questions_find_low(&engine_of(lane)->questions, read16(bytes + 6));
  return found != NULL && found->socket->lane == lane && is_header_of(found, bytes) ? found : NULL;
}

/*
 * STAMP (stamp.h). The padding of a question begins with its number. A reflector that drops it is none of RFC 8972, and may be asked only
 * where it is expected (`is_light`): then the timestamp of the question, which every reflector brings back, stands for the number.
 * Its low 16 bits, 15 µs, lead to the question, as those of a number.
 */
enum { TIMESTAMP_BITS = 16, TIMESTAMP_DOUBT_NS = 16000 };

static uint32_t timestamp_veil(const struct lane *lane, uint64_t high)
{
  return veil_of(lane, (uint64_t)2 << 48 | high);
}

static uint32_t stamp_length(const struct series *series)
{
  uint32_t least = stamp_bytes(&series->key) + STAMP_PADDING_BYTES;

  return series->payload_bytes < least ? least : series->payload_bytes;
}

static int stamp_write_question(struct question *question, uint8_t *bytes, uint32_t length)
{
  const struct lane *lane = question->socket->lane;
  struct series *series = question->series;
  struct engine *engine = engine_of(lane);
  uint64_t high = stamp_time(question->handed_ns + engine->timed.line.offset_ns) >> TIMESTAMP_BITS;

  number_question(question);
  utc_look(&engine->utc, question->handed_ns);
  question->timestamp = high << TIMESTAMP_BITS | ((question->sequence & 0xffff) ^ timestamp_veil(lane, high));
  question->stamp_sequence = series->next_sequence++;
  question->ssid = series->ssid;
  question->is_light = series->is_light;
  const struct stamp_asked asked = {question->stamp_sequence, question->ssid, question->timestamp};
  const struct utc utc = {engine->utc.is_synchronized, engine->utc.error_ns + TIMESTAMP_DOUBT_NS, 0};
  stamp_write(&series->key, bytes, length, &asked, &utc);
  stamp_write_number(&series->key, bytes, question->number);
  return 0;
}

static bool is_asked(const struct question *question, const struct stamp_asked *asked)
{
  return question->timestamp == asked->timestamp && question->stamp_sequence == asked->sequence;
}

static struct question *with_timestamp(const struct lane *lane, const struct stamp_asked *asked)
{
  uint32_t veil = timestamp_veil(lane, asked->timestamp >> TIMESTAMP_BITS);
  struct question *question =
    questions_find_low(&engine_of(lane)->questions, (uint32_t)(asked->timestamp & 0xffff) ^ veil);

  return question != NULL && is_asked(question, asked) && question->socket->lane == lane ? question : NULL;
}

/* Both layouts are tried, because only the question says whether there is a key. */
static struct question *stamp_find(const struct lane *lane, const uint8_t *bytes, uint32_t length, bool *is_ours)
{
  *is_ours = false;
  for (int is_keyed = 1; is_keyed >= 0; is_keyed--) {
    struct question *question = NULL;
    uint64_t number;

    if (!stamp_is_answer(is_keyed, bytes, length))
      continue;
    if (stamp_find_number(is_keyed, bytes, length, &number)) {
      *is_ours = true;
      question = with_number(lane, number);
    }
    if (question == NULL) {
      const struct stamp_asked asked = stamp_asked_of(is_keyed, bytes);

      question = with_timestamp(lane, &asked);
      if (question != NULL && !question->is_light)
        question = NULL;
    }
    if (question == NULL)
      continue;
    *is_ours = true;
    return question;
  }
  return NULL;
}

/* An answer whose padding was cut off or replaced still has the timestamp of its question. */
static struct question *stamp_find_alike(const struct lane *lane, const uint8_t *bytes, uint32_t length)
{
  for (int is_keyed = 1; is_keyed >= 0; is_keyed--) {
    if (!stamp_is_answer(is_keyed, bytes, length))
      continue;
    const struct stamp_asked asked = stamp_asked_of(is_keyed, bytes);
    struct question *question = with_timestamp(lane, &asked);
    if (question != NULL)
      return question;
  }
  return NULL;
}

/*
 * The kernel has matched the ports. It hands over what is quoted behind them, which is nothing of a quote of 8 bytes (RFC 792). Timestamp
 * and session identifier, where the quote ends before the number, have 32 bits that only the path can know.
 */
static struct question *stamp_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, enum quoted *quoted)
{
  *quoted = length < stamp_asked_bytes(true) ? QUOTED_LITTLE : QUOTED_UNKNOWN;
  for (int is_keyed = 1; is_keyed >= 0; is_keyed--) {
    struct question *question = NULL;
    uint64_t number;

    if (stamp_find_number(is_keyed, bytes, length, &number)) {
      question = with_number(lane, number);
    } else if (length >= stamp_asked_bytes(is_keyed)) {
      const struct stamp_asked asked = stamp_asked_by(is_keyed, bytes);

      question = with_timestamp(lane, &asked);
      if (question != NULL && question->ssid != asked.ssid)
        question = NULL;
    }
    if (question != NULL)
      return question;
  }
  return NULL;
}

/* Without the key, the time of the question and its place in the session are as secret as its number; with it, the HMAC covers both. */
static uint32_t stamp_judge(const struct question *question, const uint8_t *bytes, uint32_t length, bool *is_genuine)
{
  const struct hmac_key *key = &question->series->key;
  uint32_t head = stamp_bytes(key);

  *is_genuine = stamp_is_answer(!key->is_empty, bytes, length) && stamp_is_genuine(key, bytes, length);
  if (!*is_genuine)
    return length < head ? FLAG_ALTERED : FLAG_OTHER_KEY;
  const struct stamp_asked asked = stamp_asked_of(!key->is_empty, bytes);
  bool is_same = is_asked(question, &asked) && (question->is_light || asked.ssid == question->ssid);
  *is_genuine = is_same || key->is_empty;
  if (!is_same || question->is_light)
    return is_same ? 0 : FLAG_ALTERED;
  uint32_t flags = compare(question->length, bytes, length, head + STAMP_PADDING_BYTES);
  return read16(bytes + head + 2) == question->length - head - 4 ? flags : flags | FLAG_ALTERED;
}

static void stamp_tell(const struct question *question, const uint8_t *bytes, int64_t arrived_ns, struct record *record)
{
  const struct engine *engine = engine_of(question->socket->lane);
  const struct stamp_answer answer = stamp_answer_of(!question->series->key.is_empty, bytes);
  int64_t left_ns = arrived_ns + engine->timed.line.offset_ns - (int64_t)record->took_ns;

  record->stamp_sequence = question->stamp_sequence;
  record->reflected = answer.sequence;
  record->sender_ttl = answer.sender_ttl;
  if (engine->utc.is_synchronized && !isnan(answer.error_ns)) {
    record->forth_ns = round(stamp_between(stamp_time(left_ns), answer.received));
    record->utc_error_ns = ceil((double)engine->utc.error_ns + answer.error_ns);
  }
  /* Otherwise its clock was stepped meanwhile, or is wrong. */
  if (answer.residence_ns >= 0 && answer.residence_ns < record->took_ns) {
    record->residence_ns = floor(answer.residence_ns);
    record->took_ns -= record->residence_ns;
  }
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

/* The sequence number of a SYN has 32 bits, of which 16 are random: so its ports are part of what the veil depends on. */
static uint32_t syn_veil(const struct lane *lane, uint32_t high, uint32_t source_port, uint32_t port)
{
  return veil_of(lane, (uint64_t)1 << 48 | (uint64_t)source_port << 32 | port << 16 | high);
}

static int syn_write(struct question *question, uint8_t *bytes, uint32_t length)
{
  const struct lane *lane = question->socket->lane;
  uint64_t random = random_next(&lane->engine->random);
  bool is_v4 = family_of(lane) == AF_INET;
  const uint8_t options[] = {2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7};

  int64_t flow = question->series->flow;
  question->source_port = lane->ports[(flow < 0 ? random : (uint64_t)flow) % lane->port_count];
  uint32_t high = (uint32_t)(random >> 48);
  question->number = high << 16 | ((question->sequence & 0xffff) ^ syn_veil(lane, high, question->source_port, question->port));
  memset(bytes, 0, length);
  write16(bytes, question->source_port);
  write16(bytes + 2, question->port);
  write32(bytes + 4, (uint32_t)question->number);
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

static struct question *syn_question(const struct lane *lane, uint32_t number, uint32_t source_port, uint32_t port)
{
  uint32_t low = (number & 0xffff) ^ syn_veil(lane, number >> 16, source_port, port);
  struct question *question = questions_find_low(&engine_of(lane)->questions, low);

  return question != NULL && question->number == number && question->source_port == source_port && question->port == port &&
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
static struct question *syn_find_quoted(const struct lane *lane, const uint8_t *bytes, uint32_t length, enum quoted *quoted)
{
  *quoted = QUOTED_OTHERS;
  return length < 8 ? NULL : syn_question(lane, read32(bytes + 4), read16(bytes), read16(bytes + 2));
}

static uint32_t syn_judge(const struct question *question, const uint8_t *bytes, uint32_t length, bool *is_genuine)
{
  (void)question;
  (void)length;
  *is_genuine = true;
  return (bytes[13] & TCP_RST) != 0 ? FLAG_RESET : 0;
}

static struct question *nothing_alike(const struct lane *lane, const uint8_t *bytes, uint32_t length)
{
  (void)lane;
  (void)bytes;
  (void)length;
  return NULL;
}

static const struct format formats[] = {
  {.name = "echo",
   .is_shared = true,
   .least_payload = TOKEN_END - ECHO_HEADER,
   .length = echo_length,
   .write = echo_write,
   .find = echo_find,
   .find_alike = echo_find_alike,
   .find_quoted = echo_find_quoted,
   .judge = echo_judge},
  {.name = "stamp",
   .least_payload = STAMP_BYTES + STAMP_PADDING_BYTES,
   .length = stamp_length,
   .write = stamp_write_question,
   .find = stamp_find,
   .find_alike = stamp_find_alike,
   .find_quoted = stamp_find_quoted,
   .judge = stamp_judge,
   .tell = stamp_tell},
  {.name = "syn",
   .is_shared = true,
   .length = syn_length,
   .write = syn_write,
   .find = syn_find,
   .find_alike = nothing_alike,
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
