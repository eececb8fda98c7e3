#include "stamp.h"

#include <math.h>
#include <string.h>

#include "bytes.h"

/* RFC 8762 §4.2 and §4.3, with the session identifier of RFC 8972 §3. A request ends, for what it says, at `received`. */
struct layout {
  uint32_t bytes, sent, estimate, ssid, received, sender_sent, sender_sequence, sender_estimate, sender_ttl;
};

static const struct layout unauthenticated = {STAMP_BYTES, 4, 12, 14, 16, 28, 24, 36, 40};
static const struct layout authenticated = {STAMP_KEYED_BYTES, 16, 24, 26, 32, 64, 48, 72, 80};

enum {
  TLV_HEADER = 4,
  NUMBER_BYTES = 8,
  TAG_AT = 96,
  TAG_BYTES = 16,
  TIMESTAMP_BYTES = 8,
  /* Less than this lies between both timestamps of an answer. */
  LONGEST_RESIDENCE_S = 60,

  IS_SYNCHRONIZED = 0x8000,
  IS_PTP = 0x4000,
  MOST_SCALE = 63,
  MOST_MULTIPLIER = 255,

  TLV_PADDING = 1,
  TLV_TIMESTAMP_INFORMATION = 3,
  TLV_CLASS_OF_SERVICE = 4,
  TLV_FOLLOW_UP = 7,
  TLV_HMAC = 8,
  TLV_UNRECOGNIZED = 0x80,
  TLV_MALFORMED = 0x40,
  TLV_INTEGRITY = 0x20,

  CLOCK_OF_NTP = 1,
  CLOCK_FREE = 5,
};

static const uint64_t seconds_from_1900_to_1970 = 2208988800;
static const int64_t ns_per_second = 1000000000;

static const struct layout *layout_for(bool is_keyed)
{
  return is_keyed ? &authenticated : &unauthenticated;
}

static const struct layout *layout_of(const struct hmac_key *key)
{
  return layout_for(!key->is_empty);
}

uint32_t stamp_bytes(const struct hmac_key *key)
{
  return layout_of(key)->bytes;
}

static uint64_t timestamp_of(int64_t unix_ns, bool is_ptp)
{
  uint64_t seconds = (uint64_t)(unix_ns / ns_per_second), ns = (uint64_t)(unix_ns % ns_per_second);

  if (is_ptp)
    return seconds << 32 | ns;
  return (seconds + seconds_from_1900_to_1970) << 32 | (ns << 32) / (uint64_t)ns_per_second;
}

/* RFC 4656 §4.1.2. The multiplier is never zero: such a timestamp counts as invalid. */
static uint32_t estimate_of(const struct utc *utc, bool is_ptp)
{
  double units = (double)utc->error_ns * 4294967296.0 / 1e9;
  uint64_t multiplier = units < 1 ? 1 : (uint64_t)units + 1;
  uint32_t scale = 0;

  for (; multiplier > MOST_MULTIPLIER && scale < MOST_SCALE; scale++)
    multiplier = (multiplier + 1) / 2;
  return (utc->is_synchronized ? IS_SYNCHRONIZED : 0) | (is_ptp ? IS_PTP : 0) | scale << 8 |
         (uint32_t)(multiplier & MOST_MULTIPLIER);
}

static void tag_of(const struct hmac_key *key, const uint8_t *bytes, uint32_t length, uint8_t tag[TAG_BYTES])
{
  uint8_t whole[HMAC_BYTES];

  hmac_tag(key, bytes, length, whole);
  memcpy(tag, whole, TAG_BYTES);
}

/* In a time that does not depend on the bytes. */
static bool has_tag(const struct hmac_key *key, const uint8_t *bytes, uint32_t length, const uint8_t *tag)
{
  uint8_t expected[TAG_BYTES], difference = 0;

  tag_of(key, bytes, length, expected);
  for (int i = 0; i < TAG_BYTES; i++)
    difference |= expected[i] ^ tag[i];
  return difference == 0;
}

/*
 * Answers look like requests with padding, except that both their timestamps are of one moment. If they were answered, two reflectors
 * could keep answering each other.
 */
static bool is_answer(const struct layout *layout, const uint8_t *bytes)
{
  uint32_t between = read32(bytes + layout->sent) - read32(bytes + layout->received);

  return read64(bytes + layout->received) != 0 &&
         (between < LONGEST_RESIDENCE_S || -between < LONGEST_RESIDENCE_S);
}

static uint32_t least_bytes(bool is_keyed)
{
  return is_keyed ? STAMP_KEYED_BYTES : STAMP_LEAST_BYTES;
}

bool stamp_is_genuine(const struct hmac_key *key, const uint8_t *bytes, uint32_t length)
{
  return key->is_empty || (length >= STAMP_KEYED_BYTES && has_tag(key, bytes, TAG_AT, bytes + TAG_AT));
}

bool stamp_is_request(const struct hmac_key *key, const uint8_t *bytes, uint32_t length)
{
  return length >= least_bytes(!key->is_empty) && !is_answer(layout_of(key), bytes) && stamp_is_genuine(key, bytes, length);
}

bool stamp_is_answer(bool is_keyed, const uint8_t *bytes, uint32_t length)
{
  return length >= least_bytes(is_keyed) && is_answer(layout_for(is_keyed), bytes);
}

uint32_t stamp_asked_bytes(bool is_keyed)
{
  return layout_for(is_keyed)->ssid + 2;
}

struct stamp_asked stamp_asked_by(bool is_keyed, const uint8_t *bytes)
{
  const struct layout *layout = layout_for(is_keyed);

  return (struct stamp_asked){
    .sequence = read32(bytes), .ssid = read16(bytes + layout->ssid), .timestamp = read64(bytes + layout->sent)};
}

/* One TLV: its value ends behind the packet if it is malformed. */
struct tlv {
  uint8_t *at;
  uint32_t type;
  uint32_t value_bytes;
  bool is_whole;
};

/* Reads the TLV at an offset, and moves the offset behind it; false when there is none. */
static bool next_tlv(uint8_t *bytes, uint32_t length, uint32_t *offset, struct tlv *tlv)
{
  uint32_t left = length - *offset;

  if (left == 0)
    return false;
  *tlv = (struct tlv){.at = bytes + *offset};
  if (left >= TLV_HEADER) {
    tlv->type = tlv->at[1];
    tlv->value_bytes = read16(tlv->at + 2);
    tlv->is_whole = tlv->value_bytes <= left - TLV_HEADER;
  }
  *offset = tlv->is_whole ? *offset + TLV_HEADER + tlv->value_bytes : length;
  return true;
}

/* A single TLV of padding needs no HMAC. Otherwise there must be one behind all others but padding (RFC 8972 §4.8). */
static bool are_intact(const struct hmac_key *key, uint8_t *bytes, uint32_t length, uint32_t from)
{
  uint32_t offset = from, count = 0;
  bool has_hmac = false, is_padding = true;
  struct tlv tlv;

  for (; next_tlv(bytes, length, &offset, &tlv); count++) {
    is_padding = tlv.type == TLV_PADDING;
    if (has_hmac && !is_padding)
      return false;
    if (tlv.type != TLV_HMAC)
      continue;
    has_hmac = true;
    if (!tlv.is_whole || tlv.value_bytes != TAG_BYTES ||
        !has_tag(key, bytes + from, (uint32_t)(tlv.at - bytes) - from, tlv.at + TLV_HEADER))
      return false;
  }
  return has_hmac || count == 0 || (count == 1 && is_padding);
}

static uint8_t flag_of(const struct hmac_key *key, const struct tlv *tlv)
{
  uint32_t expected;

  if (!tlv->is_whole)
    return TLV_MALFORMED;
  switch (tlv->type) {
  case TLV_PADDING:
    return 0;
  case TLV_TIMESTAMP_INFORMATION:
  case TLV_CLASS_OF_SERVICE:
    expected = 4;
    break;
  case TLV_FOLLOW_UP:
    expected = 16;
    break;
  case TLV_HMAC:
    /* Without a key it cannot be verified. */
    if (key->is_empty)
      return TLV_UNRECOGNIZED;
    expected = TAG_BYTES;
    break;
  default:
    return TLV_UNRECOGNIZED;
  }
  return tlv->value_bytes == expected ? 0 : TLV_MALFORMED;
}

/* RFC 8972 §4.3: source of the clock and method, for the receive timestamp and for that of the answer. */
static void describe_timestamps(uint8_t *value, const struct stamp_reflection *reflection)
{
  value[0] = value[2] = reflection->utc.is_synchronized ? CLOCK_OF_NTP : CLOCK_FREE;
  value[1] = (uint8_t)reflection->received_by;
  value[3] = STAMPED_BY_PROCESS;
}

/* RFC 8972 §4.4: DSCP to answer with, DSCP and ECN as they arrived, and two bits that stay zero because the DSCP is used. */
static int32_t reflect_class(uint8_t *value, const struct stamp_reflection *reflection)
{
  uint32_t arrived = reflection->traffic_class < 0 ? 0 : (uint32_t)reflection->traffic_class;
  uint32_t wanted = value[0] & 0xfcu;

  value[0] = (uint8_t)(wanted | arrived >> 6);
  value[1] = (uint8_t)((arrived << 2 & 0xf0) | (arrived & 3) << 2);
  value[2] = value[3] = 0;
  return (int32_t)wanted;
}

/* RFC 8972 §4.7: number and time of the previous answer; zeros if there is none. */
static void follow_up(uint8_t *value, const struct stamp_reflection *reflection, bool is_ptp)
{
  memset(value, 0, 16);
  if (!reflection->has_previous)
    return;
  write32(value, reflection->previous);
  write64(value + 4, timestamp_of(reflection->previous_ns, is_ptp));
  value[12] = (uint8_t)reflection->previous_by;
}

/* What follows a malformed TLV, or fails its HMAC, is copied. */
static struct stamp_wish reflect_tlvs(const struct hmac_key *key, uint8_t *bytes, uint32_t length,
                                      const struct stamp_reflection *reflection)
{
  const struct layout *layout = layout_of(key);
  bool is_ptp = (read16(bytes + layout->estimate) & IS_PTP) != 0;
  bool is_intact = key->is_empty || are_intact(key, bytes, length, layout->bytes);
  struct stamp_wish wish = {.traffic_class = -1};
  uint32_t offset = layout->bytes;
  struct tlv tlv;

  while (next_tlv(bytes, length, &offset, &tlv)) {
    *tlv.at = is_intact ? flag_of(key, &tlv) : TLV_INTEGRITY;
    if (*tlv.at == TLV_MALFORMED)
      break;
    if (*tlv.at != 0)
      continue;
    uint8_t *value = tlv.at + TLV_HEADER;
    if (tlv.type == TLV_TIMESTAMP_INFORMATION)
      describe_timestamps(value, reflection);
    else if (tlv.type == TLV_CLASS_OF_SERVICE)
      wish.traffic_class = reflect_class(value, reflection);
    else if (tlv.type == TLV_HMAC)
      tag_of(key, bytes + layout->bytes, (uint32_t)(tlv.at - bytes) - layout->bytes, value);
    else if (tlv.type == TLV_FOLLOW_UP) {
      follow_up(value, reflection, is_ptp);
      wish.has_follow_up = true;
    }
  }
  return wish;
}

struct stamp_wish stamp_reflect(const struct hmac_key *key, uint8_t *bytes, uint32_t length,
                                const struct stamp_reflection *reflection)
{
  const struct layout *layout = layout_of(key);
  uint32_t head = length < layout->bytes ? length : layout->bytes;
  struct stamp_wish wish = {.traffic_class = -1};
  uint8_t asked[STAMP_KEYED_BYTES];

  if (length > layout->bytes)
    wish = reflect_tlvs(key, bytes, length, reflection);
  memcpy(asked, bytes, head);
  memset(bytes, 0, head);
  bool is_ptp = (read16(asked + layout->estimate) & IS_PTP) != 0;
  write32(bytes, reflection->sequence);
  write16(bytes + layout->estimate, estimate_of(&reflection->utc, is_ptp));
  memcpy(bytes + layout->ssid, asked + layout->ssid, 2);
  write64(bytes + layout->received, timestamp_of(reflection->received_ns, is_ptp));
  memcpy(bytes + layout->sender_sequence, asked, 4);
  memcpy(bytes + layout->sender_sent, asked + layout->sent, TIMESTAMP_BYTES);
  memcpy(bytes + layout->sender_estimate, asked + layout->estimate, 2);
  bytes[layout->sender_ttl] = (uint8_t)(reflection->ttl < 0 ? 0 : reflection->ttl);
  return wish;
}

void stamp_seal(const struct hmac_key *key, uint8_t *bytes, int64_t sent_ns)
{
  const struct layout *layout = layout_of(key);
  bool is_ptp = (read16(bytes + layout->estimate) & IS_PTP) != 0;

  write64(bytes + layout->sent, timestamp_of(sent_ns, is_ptp));
  if (!key->is_empty)
    tag_of(key, bytes, TAG_AT, bytes + TAG_AT);
}

void stamp_write(const struct hmac_key *key, uint8_t *bytes, uint32_t length, const struct stamp_asked *asked,
                 const struct utc *utc)
{
  const struct layout *layout = layout_of(key);

  memset(bytes, 0, length);
  write32(bytes, asked->sequence);
  write64(bytes + layout->sent, asked->timestamp);
  write16(bytes + layout->estimate, estimate_of(utc, false));
  write16(bytes + layout->ssid, asked->ssid);
  bytes[layout->bytes] = TLV_UNRECOGNIZED;
  bytes[layout->bytes + 1] = TLV_PADDING;
  write16(bytes + layout->bytes + 2, length - layout->bytes - TLV_HEADER);
  if (!key->is_empty)
    tag_of(key, bytes, TAG_AT, bytes + TAG_AT);
}

void stamp_write_number(const struct hmac_key *key, uint8_t *bytes, uint64_t number)
{
  write64(bytes + layout_of(key)->bytes + TLV_HEADER, number);
}

bool stamp_find_number(bool is_keyed, const uint8_t *bytes, uint32_t length, uint64_t *number)
{
  const uint8_t *tlv = bytes + layout_for(is_keyed)->bytes;

  if (length < layout_for(is_keyed)->bytes + STAMP_PADDING_BYTES || tlv[1] != TLV_PADDING || read16(tlv + 2) < NUMBER_BYTES)
    return false;
  *number = read64(tlv + TLV_HEADER);
  return true;
}

struct stamp_asked stamp_asked_of(bool is_keyed, const uint8_t *bytes)
{
  const struct layout *layout = layout_for(is_keyed);

  return (struct stamp_asked){
    .sequence = read32(bytes + layout->sender_sequence),
    .ssid = read16(bytes + layout->ssid),
    .timestamp = read64(bytes + layout->sender_sent),
  };
}

uint32_t stamp_number_of_answer(const uint8_t *bytes)
{
  return read32(bytes);
}

static double fraction_ns(uint64_t timestamp, bool is_ptp)
{
  double fraction = (double)(timestamp & 0xffffffff);

  return is_ptp ? fraction : fraction * 1e9 / 4294967296.0;
}

static double between(uint64_t from, uint64_t to, bool is_ptp)
{
  return (double)(int32_t)(uint32_t)((to >> 32) - (from >> 32)) * 1e9 + fraction_ns(to, is_ptp) - fraction_ns(from, is_ptp);
}

struct stamp_answer stamp_answer_of(bool is_keyed, const uint8_t *bytes)
{
  const struct layout *layout = layout_for(is_keyed);
  uint32_t estimate = read16(bytes + layout->estimate);
  bool is_ptp = (estimate & IS_PTP) != 0;
  uint64_t received = read64(bytes + layout->received);
  /* PTP may count the seconds of TAI. */
  bool is_utc = (estimate & IS_SYNCHRONIZED) != 0 && !is_ptp && (estimate & MOST_MULTIPLIER) != 0;

  return (struct stamp_answer){
    .sequence = read32(bytes),
    .sender_ttl = bytes[layout->sender_ttl] == 0 ? -1 : bytes[layout->sender_ttl],
    .residence_ns = between(received, read64(bytes + layout->sent), is_ptp),
    .received = received,
    .error_ns = is_utc ? ldexp((double)(estimate & MOST_MULTIPLIER), (int)(estimate >> 8 & MOST_SCALE) - 32) * 1e9
                       : (double)NAN,
  };
}

uint64_t stamp_time(int64_t unix_ns)
{
  return timestamp_of(unix_ns, false);
}

double stamp_between(uint64_t from, uint64_t to)
{
  return between(from, to, false);
}
