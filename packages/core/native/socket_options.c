#include "socket_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"

/*
 * RX and TX stamps in software, reported; numbered sends; of a sent packet the stamp alone comes back, not its bytes
 * (Documentation/networking/timestamping.rst §1.3).
 */
enum {
  STAMPS = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
           SOF_TIMESTAMPING_OPT_TSONLY,
  NUMBERED_STAMPS = STAMPS | SOF_TIMESTAMPING_OPT_ID,
};

static const struct socket_kind kinds[] = {
  {.name = "udp4", .family = AF_INET, .type = SOCK_DGRAM, .protocol = IPPROTO_UDP, .has_port = true},
  {.name = "udp6", .family = AF_INET6, .type = SOCK_DGRAM, .protocol = IPPROTO_UDP, .has_port = true},
  {.name = "icmp4", .family = AF_INET, .type = SOCK_RAW, .protocol = IPPROTO_ICMP, .has_ip_header = true},
  {.name = "icmp6", .family = AF_INET6, .type = SOCK_RAW, .protocol = IPPROTO_ICMPV6},
  {.name = "ping4", .family = AF_INET, .type = SOCK_DGRAM, .protocol = IPPROTO_ICMP, .has_port = true},
  {.name = "ping6", .family = AF_INET6, .type = SOCK_DGRAM, .protocol = IPPROTO_ICMPV6, .has_port = true},
  {.name = "tcp4", .family = AF_INET, .type = SOCK_RAW, .protocol = IPPROTO_TCP, .has_ip_header = true},
  {.name = "tcp6", .family = AF_INET6, .type = SOCK_RAW, .protocol = IPPROTO_TCP},
  /* Protocol 0 receives nothing until bind_socket, when its filter is in place (packet(7)). */
  {.name = "observer", .family = AF_PACKET, .type = SOCK_DGRAM, .protocol = 0, .is_observer = true},
};

bool read_kind(napi_env env, napi_value options, const struct socket_kind **kind)
{
  napi_value value;
  char name[16];

  if (!ok(env, napi_get_named_property(env, options, "kind", &value)) ||
      !read_text(env, value, "kind", name, sizeof name))
    return false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, name) != 0)
      continue;
    *kind = &kinds[i];
    return true;
  }
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "kind is not one of this add-on's");
  return false;
}

static bool set_option(napi_env env, int fd, int level, int option, int value, const char *what)
{
  if (setsockopt(fd, level, option, &value, sizeof value) == 0)
    return true;
  throw_errno(env, errno, what);
  return false;
}

/* SO_*BUFFORCE goes beyond the sysctl and needs CAP_NET_ADMIN; else the kernel grants what net.core.*mem_max allows. */
static bool grow_buffer(napi_env env, int fd, int forced, int ordinary, int bytes, const char *what)
{
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0)
    return true;
  return set_option(env, fd, SOL_SOCKET, ordinary, bytes, what);
}

static bool prepare_buffers(napi_env env, int fd, napi_value options)
{
  napi_value value;
  int64_t bytes;

  if (!ok(env, napi_get_named_property(env, options, "bufferBytes", &value)) ||
      !read_integer(env, value, "bufferBytes", 4096, 1 << 30, &bytes))
    return false;
  return grow_buffer(env, fd, SO_RCVBUFFORCE, SO_RCVBUF, (int)bytes, "setsockopt SO_RCVBUF") &&
         grow_buffer(env, fd, SO_SNDBUFFORCE, SO_SNDBUF, (int)bytes, "setsockopt SO_SNDBUF");
}

static bool prepare_ip(napi_env env, int fd, const struct socket_kind *kind)
{
  if (kind->family == AF_INET)
    return set_option(env, fd, IPPROTO_IP, IP_RECVERR, 1, "setsockopt IP_RECVERR") &&
           set_option(env, fd, IPPROTO_IP, IP_RECVTTL, 1, "setsockopt IP_RECVTTL") &&
           set_option(env, fd, IPPROTO_IP, IP_RECVTOS, 1, "setsockopt IP_RECVTOS");
  if (kind->family != AF_INET6)
    return true;
  /* A raw TCP socket would leave the checksum to us, which covers a pseudo-header; it lies at byte 16 (RFC 3542 §3.1). */
  if (kind->protocol == IPPROTO_TCP && !set_option(env, fd, IPPROTO_IPV6, IPV6_CHECKSUM, 16, "setsockopt IPV6_CHECKSUM"))
    return false;
  /* Raw sockets are of one version anyway, and refuse the option. */
  if (kind->type == SOCK_DGRAM && !set_option(env, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "setsockopt IPV6_V6ONLY"))
    return false;
  return set_option(env, fd, IPPROTO_IPV6, IPV6_RECVERR, 1, "setsockopt IPV6_RECVERR") &&
         set_option(env, fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "setsockopt IPV6_RECVHOPLIMIT") &&
         set_option(env, fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "setsockopt IPV6_RECVTCLASS");
}

/* Echo replies only: a raw ICMP socket otherwise receives all ICMP of its namespace. Errors come by the error queue. */
static bool prepare_icmp(napi_env env, int fd, const struct socket_kind *kind)
{
  if (kind->type != SOCK_RAW)
    return true;
  if (kind->protocol == IPPROTO_ICMP) {
    struct icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};

    if (setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter) == 0)
      return true;
    throw_errno(env, errno, "setsockopt ICMP_FILTER");
    return false;
  }
  if (kind->protocol == IPPROTO_ICMPV6) {
    struct icmp6_filter filter;

    memset(&filter, 0xff, sizeof filter); /* a set bit blocks its type (RFC 3542 §3.2) */
    filter.data[ICMPV6_ECHO_REPLY / 32] &= ~(1u << ICMPV6_ECHO_REPLY % 32);
    if (setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, &filter, sizeof filter) == 0)
      return true;
    throw_errno(env, errno, "setsockopt ICMP6_FILTER");
    return false;
  }
  return true;
}

/* options.filter: instructions of classic BPF, eight bytes each (Documentation/networking/filter.rst). */
static bool attach_filter(napi_env env, int fd, napi_value options)
{
  struct sock_filter instructions[BPF_MAXINSNS];
  struct sock_fprog program = {.filter = instructions};
  napi_value value;
  uint8_t *bytes;
  size_t length;
  bool is_given;

  if (!read_optional(env, options, "filter", &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!read_bytes(env, value, "filter", &bytes, &length))
    return false;
  if (length == 0 || length > sizeof instructions || length % sizeof *instructions != 0) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "filter must be 1 to 4096 instructions of 8 bytes");
    return false;
  }
  /* The caller's bytes need not be aligned. */
  memcpy(instructions, bytes, length);
  program.len = (unsigned short)(length / sizeof *instructions);
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0)
    return true;
  throw_errno(env, errno, "setsockopt SO_ATTACH_FILTER");
  return false;
}

static bool bind_to_device(napi_env env, int fd, napi_value options)
{
  char name[IFNAMSIZ];
  napi_value value;
  bool is_given;

  if (!read_optional(env, options, "device", &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!read_text(env, value, "device", name, sizeof name))
    return false;
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) == 0)
    return true;
  throw_errno(env, errno, "setsockopt SO_BINDTODEVICE");
  return false;
}

bool prepare_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  /*
   * Without SO_SELECT_ERR_QUEUE a waiting error is POLLERR without POLLPRI, on which libuv gives the descriptor up for good
   * (src/unix/poll.c, uv__poll_io).
   */
  return attach_filter(env, fd, options) && prepare_icmp(env, fd, kind) &&
         set_option(env, fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, "setsockopt SO_SELECT_ERR_QUEUE") &&
         set_option(env, fd, SOL_SOCKET, SO_TIMESTAMPING, NUMBERED_STAMPS, "setsockopt SO_TIMESTAMPING") &&
         prepare_buffers(env, fd, options) && prepare_ip(env, fd, kind) && bind_to_device(env, fd, options) &&
         apply_sending_options(env, fd, kind, options);
}

int restart_send_count(int fd)
{
  int without = STAMPS;
  int with = NUMBERED_STAMPS;

  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &without, sizeof without) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &with, sizeof with) != 0)
    return errno;
  return 0;
}

static bool set_mtu_discovery(napi_env env, int fd, int family, int64_t mode)
{
  if (family == AF_INET)
    return set_option(env, fd, IPPROTO_IP, IP_MTU_DISCOVER, (int)mode, "setsockopt IP_MTU_DISCOVER");
  /* IPv6 has no DF bit: the sender fragments, unless told not to (RFC 3542 §11.2). */
  int is_whole = mode == IPV6_PMTUDISC_DO || mode == IPV6_PMTUDISC_PROBE;
  return set_option(env, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, (int)mode, "setsockopt IPV6_MTU_DISCOVER") &&
         set_option(env, fd, IPPROTO_IPV6, IPV6_DONTFRAG, is_whole, "setsockopt IPV6_DONTFRAG");
}

bool apply_sending_options(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  bool is_v4 = kind->family == AF_INET;
  napi_value value;
  int64_t number;
  bool is_given;

  if (kind->is_observer)
    return true;
  if (!read_optional(env, options, "ttl", &value, &is_given))
    return false;
  if (is_given && !(read_integer(env, value, "ttl", 1, 255, &number) &&
                    (is_v4 ? set_option(env, fd, IPPROTO_IP, IP_TTL, (int)number, "setsockopt IP_TTL")
                           : set_option(env, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, (int)number,
                                        "setsockopt IPV6_UNICAST_HOPS"))))
    return false;
  if (!read_optional(env, options, "trafficClass", &value, &is_given))
    return false;
  if (is_given && !(read_integer(env, value, "trafficClass", 0, 255, &number) &&
                    (is_v4 ? set_option(env, fd, IPPROTO_IP, IP_TOS, (int)number, "setsockopt IP_TOS")
                           : set_option(env, fd, IPPROTO_IPV6, IPV6_TCLASS, (int)number, "setsockopt IPV6_TCLASS"))))
    return false;
  if (!read_optional(env, options, "mtuDiscovery", &value, &is_given))
    return false;
  return !is_given || (read_integer(env, value, "mtuDiscovery", IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE, &number) &&
                       set_mtu_discovery(env, fd, kind->family, number));
}

static bool bind_observer(napi_env env, int fd)
{
  /* ETH_P_ALL: with ETH_P_IP alone outgoing packets are not seen (net/core/dev.c, dev_queue_xmit_nit). */
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return true;
  throw_errno(env, errno, "bind");
  return false;
}

bool bind_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  union address address = {.any.sa_family = (sa_family_t)kind->family};
  napi_value text, port;
  bool has_address, has_port;
  int64_t number;

  if (kind->is_observer)
    return bind_observer(env, fd);
  if (!read_optional(env, options, "address", &text, &has_address) ||
      !read_optional(env, options, "port", &port, &has_port))
    return false;
  if (!has_port && !ok(env, napi_create_uint32(env, 0, &port)))
    return false;
  if (has_address) {
    if (!read_address(env, kind->family, text, port, &address))
      return false;
  } else {
    if (!read_integer(env, port, "port", 0, UINT16_MAX, &number))
      return false;
    if (kind->family == AF_INET)
      address.v4.sin_port = htons((uint16_t)number);
    else
      address.v6.sin6_port = htons((uint16_t)number);
  }
  /* Bound even to any port: a port is then known before the first packet. */
  if ((!has_address && !kind->has_port) || bind(fd, &address.any, address_length(&address)) == 0)
    return true;
  throw_errno(env, errno, "bind");
  return false;
}
