#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"
#include "exports.h"

/* Fields of struct tcp_info by their names in JavaScript; times are in microseconds (include/uapi/linux/tcp.h). */
static const struct {
  const char *name;
  size_t offset;
} fields[] = {
  {"sendMss", offsetof(struct tcp_info, tcpi_snd_mss)},
  {"receiveMss", offsetof(struct tcp_info, tcpi_rcv_mss)},
  {"advertisedMss", offsetof(struct tcp_info, tcpi_advmss)},
  {"pathMtu", offsetof(struct tcp_info, tcpi_pmtu)},
  {"rttUs", offsetof(struct tcp_info, tcpi_rtt)},
  {"rttVarianceUs", offsetof(struct tcp_info, tcpi_rttvar)},
  {"minRttUs", offsetof(struct tcp_info, tcpi_min_rtt)},
  {"retransmits", offsetof(struct tcp_info, tcpi_total_retrans)},
};

/* The port is absent before the kernel has chosen it. */
static bool set_local_port(napi_env env, napi_value object, int fd)
{
  union address address = {.any.sa_family = AF_UNSPEC};
  socklen_t length = sizeof address;

  if (getsockname(fd, &address.any, &length) != 0 || address_port(&address) == 0)
    return true;
  return set_number(env, object, "localPort", address_port(&address));
}

/*
 * tcpInfo(fd): the kernel's measurements of a TCP connection, and its port on this side. Fields that an older kernel lacks are absent.
 */
napi_value read_tcp_info(napi_env env, napi_callback_info info)
{
  struct tcp_info tcp = {0};
  socklen_t length = sizeof tcp;
  napi_value argument, object;
  int64_t fd;

  if (!read_arguments(env, info, 1, &argument, NULL) || !read_integer(env, argument, "fd", 0, INT32_MAX, &fd))
    return NULL;
  if (getsockopt((int)fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) != 0) {
    throw_errno(env, errno, "getsockopt TCP_INFO");
    return NULL;
  }
  if (!ok(env, napi_create_object(env, &object)) || !set_local_port(env, object, (int)fd))
    return NULL;
  if (length > offsetof(struct tcp_info, tcpi_state) && !set_number(env, object, "state", tcp.tcpi_state))
    return NULL;
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    uint32_t value;

    if (fields[i].offset + sizeof value > length)
      continue;
    memcpy(&value, (const char *)&tcp + fields[i].offset, sizeof value);
    if (!set_number(env, object, fields[i].name, value))
      return NULL;
  }
  return object;
}
