#include "control.h"

#include <netinet/in.h>
#include <string.h>

static size_t payload_length(const struct cmsghdr *header)
{
  return header->cmsg_len < CMSG_LEN(0) ? 0 : header->cmsg_len - CMSG_LEN(0);
}

/* IP_TOS is one byte, all others are an int (net/ipv4/ip_sockglue.c). */
static int32_t read_number(const struct cmsghdr *header)
{
  int value;

  if (payload_length(header) == 1)
    return *CMSG_DATA(header);
  if (payload_length(header) < sizeof value)
    return -1;
  memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

/* Software stamps are the first of three (Documentation/networking/timestamping.rst §2.1). */
static void read_stamp(const struct cmsghdr *header, struct control *control)
{
  if (payload_length(header) >= sizeof(struct scm_timestamping))
    memcpy(&control->stamp, CMSG_DATA(header), sizeof control->stamp);
}

static void read_error(const struct cmsghdr *header, struct control *control)
{
  size_t length = payload_length(header);

  if (length < sizeof control->error)
    return;
  control->has_error = true;
  memcpy(&control->error, CMSG_DATA(header), sizeof control->error);
  length -= sizeof control->error;
  if (length > sizeof control->offender)
    length = sizeof control->offender;
  memcpy(&control->offender, CMSG_DATA(header) + sizeof control->error, length);
}

/* Where a packet was sent to: it may be one of several addresses of this host. */
static void read_local_v4(const struct cmsghdr *header, union address *local)
{
  struct in_pktinfo info;

  if (payload_length(header) < sizeof info)
    return;
  memcpy(&info, CMSG_DATA(header), sizeof info);
  local->v4.sin_family = AF_INET;
  /* The same unless it was sent to a broadcast or multicast address, which nothing can be sent from. */
  local->v4.sin_addr = info.ipi_spec_dst;
}

static void read_local_v6(const struct cmsghdr *header, union address *local)
{
  struct in6_pktinfo info;

  if (payload_length(header) < sizeof info)
    return;
  memcpy(&info, CMSG_DATA(header), sizeof info);
  local->v6.sin6_family = AF_INET6;
  local->v6.sin6_addr = info.ipi6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
    local->v6.sin6_scope_id = info.ipi6_ifindex;
}

static void read_ipv4(const struct cmsghdr *header, struct control *control)
{
  switch (header->cmsg_type) {
  case IP_TTL:
    control->ttl = read_number(header);
    break;
  case IP_TOS:
    control->traffic_class = read_number(header);
    break;
  case IP_PKTINFO:
    read_local_v4(header, &control->local);
    break;
  case IP_RECVERR:
    read_error(header, control);
    break;
  }
}

static void read_ipv6(const struct cmsghdr *header, struct control *control)
{
  switch (header->cmsg_type) {
  case IPV6_HOPLIMIT:
    control->ttl = read_number(header);
    break;
  case IPV6_TCLASS:
    control->traffic_class = read_number(header);
    break;
  case IPV6_PKTINFO:
    read_local_v6(header, &control->local);
    break;
  case IPV6_RECVERR:
    read_error(header, control);
    break;
  }
}

void control_read(struct msghdr *message, struct control *control)
{
  memset(control, 0, sizeof *control);
  control->ttl = -1;
  control->traffic_class = -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_TIMESTAMPING)
      read_stamp(header, control);
    else if (header->cmsg_level == IPPROTO_IP)
      read_ipv4(header, control);
    else if (header->cmsg_level == IPPROTO_IPV6)
      read_ipv6(header, control);
  }
}
