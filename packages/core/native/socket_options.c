#include "socket_options.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

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

static const struct {
  const char *name;
  int64_t min, max;
  int ipv4, ipv6;
  const char *ipv4_call, *ipv6_call;
} sending_options[] = {
  {"ttl", 1, 255, IP_TTL, IPV6_UNICAST_HOPS, "setsockopt IP_TTL", "setsockopt IPV6_UNICAST_HOPS"},
  {"trafficClass", 0, 255, IP_TOS, IPV6_TCLASS, "setsockopt IP_TOS", "setsockopt IPV6_TCLASS"},
  {"mtuDiscovery", IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, "setsockopt IP_MTU_DISCOVER",
   "setsockopt IPV6_MTU_DISCOVER"},
};

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

/* options.reportsLocal: costs some time for each packet. */
static bool report_local_address(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  napi_value value;
  bool is_given, is_wanted;

  if (!read_optional(env, options, "reportsLocal", &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!ok(env, napi_get_value_bool(env, value, &is_wanted)))
    return false;
  if (!is_wanted || kind->is_observer)
    return true;
  if (kind->family == AF_INET)
    return set_option(env, fd, IPPROTO_IP, IP_PKTINFO, 1, "setsockopt IP_PKTINFO");
  return set_option(env, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "setsockopt IPV6_RECVPKTINFO");
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
   * Without SO_SELECT_ERR_QUEUE a waiting error is POLLERR without POLLPRI, which makes libuv stop watching the descriptor
   * (src/unix/poll.c, uv__poll_io).
   */
  return set_option(env, fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, "setsockopt SO_SELECT_ERR_QUEUE") &&
         set_option(env, fd, SOL_SOCKET, SO_TIMESTAMPING, NUMBERED_STAMPS, "setsockopt SO_TIMESTAMPING") &&
         prepare_buffers(env, fd, options) && prepare_ip(env, fd, kind) &&
         report_local_address(env, fd, kind, options) && bind_to_device(env, fd, options) &&
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

int stamp_on_demand(int fd)
{
  int without = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
  int with = without | SOF_TIMESTAMPING_OPT_ID;

  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &without, sizeof without) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &with, sizeof with) != 0)
    return errno;
  return 0;
}

/* IPv6 has no DF bit: the sender fragments by default (RFC 3542 §11.2). */
static bool follow_mtu_discovery(napi_env env, int fd, int mode)
{
  int is_whole = mode == IPV6_PMTUDISC_DO || mode == IPV6_PMTUDISC_PROBE;

  return set_option(env, fd, IPPROTO_IPV6, IPV6_DONTFRAG, is_whole, "setsockopt IPV6_DONTFRAG");
}

bool apply_sending_options(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  for (size_t i = 0; i < sizeof sending_options / sizeof *sending_options && !kind->is_observer; i++) {
    napi_value value;
    int64_t number;
    bool is_given;

    if (!read_optional(env, options, sending_options[i].name, &value, &is_given))
      return false;
    if (!is_given)
      continue;
    if (!read_integer(env, value, sending_options[i].name, sending_options[i].min, sending_options[i].max, &number))
      return false;
    if (kind->family == AF_INET) {
      if (!set_option(env, fd, IPPROTO_IP, sending_options[i].ipv4, (int)number, sending_options[i].ipv4_call))
        return false;
      continue;
    }
    if (!set_option(env, fd, IPPROTO_IPV6, sending_options[i].ipv6, (int)number, sending_options[i].ipv6_call))
      return false;
    if (sending_options[i].ipv6 == IPV6_MTU_DISCOVER && !follow_mtu_discovery(env, fd, (int)number))
      return false;
  }
  return true;
}
