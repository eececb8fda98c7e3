#include "control.h"

#include <netinet/in.h>
#include <string.h>

/* One part of the control data: its length is what it says, or what there is. */
struct part {
  int level;
  int type;
  const unsigned char *data;
  size_t length;
};

static struct part part_of(const struct msghdr *message, const struct cmsghdr *header)
{
  const unsigned char *end = (const unsigned char *)message->msg_control + message->msg_controllen;
  struct part part = {.level = header->cmsg_level, .type = header->cmsg_type, .data = CMSG_DATA(header)};
  size_t room = part.data < end ? (size_t)(end - part.data) : 0;

  if (header->cmsg_len > CMSG_LEN(0))
    part.length = header->cmsg_len - CMSG_LEN(0) < room ? header->cmsg_len - CMSG_LEN(0) : room;
  return part;
}

/* IP_TOS is one byte, all others are an int (net/ipv4/ip_sockglue.c). */
static int32_t read_number(const struct part *part)
{
  int value;

  if (part->length == 1)
    return *part->data;
  if (part->length < sizeof value)
    return -1;
  memcpy(&value, part->data, sizeof value);
  return value;
}

/* Software stamps are the first of three (Documentation/networking/timestamping.rst §2.1). */
static void read_stamp(const struct part *part, struct control *control)
{
  if (part->length >= sizeof(struct scm_timestamping))
    memcpy(&control->stamp, part->data, sizeof control->stamp);
}

static void read_error(const struct part *part, struct control *control)
{
  size_t length = part->length;

  if (length < sizeof control->error)
    return;
  control->has_error = true;
  memcpy(&control->error, part->data, sizeof control->error);
  length -= sizeof control->error;
  if (length > sizeof control->offender)
    length = sizeof control->offender;
  memcpy(&control->offender, part->data + sizeof control->error, length);
}

/* Where a packet was sent to: it may be one of several addresses of this host. */
static void read_local_v4(const struct part *part, union address *local)
{
  struct in_pktinfo info;

  if (part->length < sizeof info)
    return;
  memcpy(&info, part->data, sizeof info);
  local->v4.sin_family = AF_INET;
  /* The same unless it was sent to a broadcast or multicast address, which nothing can be sent from. */
  local->v4.sin_addr = info.ipi_spec_dst;
}

static void read_local_v6(const struct part *part, union address *local)
{
  struct in6_pktinfo info;

  if (part->length < sizeof info)
    return;
  memcpy(&info, part->data, sizeof info);
  local->v6.sin6_family = AF_INET6;
  local->v6.sin6_addr = info.ipi6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
    local->v6.sin6_scope_id = info.ipi6_ifindex;
}

static void read_ipv4(const struct part *part, struct control *control)
{
  switch (part->type) {
  case IP_TTL:
    control->ttl = read_number(part);
    break;
  case IP_TOS:
    control->traffic_class = read_number(part);
    break;
  case IP_PKTINFO:
    read_local_v4(part, &control->local);
    break;
  case IP_RECVERR:
    read_error(part, control);
    break;
  }
}

static void read_ipv6(const struct part *part, struct control *control)
{
  switch (part->type) {
  case IPV6_HOPLIMIT:
    control->ttl = read_number(part);
    break;
  case IPV6_TCLASS:
    control->traffic_class = read_number(part);
    break;
  case IPV6_PKTINFO:
    read_local_v6(part, &control->local);
    break;
  case IPV6_RECVERR:
    read_error(part, control);
    break;
  }
}

void control_read(struct msghdr *message, struct control *control)
{
  memset(control, 0, sizeof *control);
  control->ttl = -1;
  control->traffic_class = -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    const struct part part = part_of(message, header);

    if (part.level == SOL_SOCKET && part.type == SO_TIMESTAMPING)
      read_stamp(&part, control);
    else if (part.level == IPPROTO_IP)
      read_ipv4(&part, control);
    else if (part.level == IPPROTO_IPV6)
      read_ipv6(&part, control);
  }
}
