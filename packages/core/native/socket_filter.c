#include "socket_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#include "arguments.h"
#include "errors.h"

/* ICMP_FILTER of linux/icmp.h, which cannot be included beside the headers of musl. */
enum { RAW_ICMP_FILTER = 1 };

/* Echo replies only: a raw ICMP socket otherwise receives all ICMP of its namespace. Errors come by the error queue. */
static bool filter_icmp(napi_env env, int fd, const struct socket_kind *kind)
{
  if (kind->type != SOCK_RAW)
    return true;
  if (kind->protocol == IPPROTO_ICMP) {
    uint32_t blocked = ~(1u << ICMP_ECHOREPLY);

    if (setsockopt(fd, SOL_RAW, RAW_ICMP_FILTER, &blocked, sizeof blocked) == 0)
      return true;
    throw_errno(env, errno, "setsockopt ICMP_FILTER");
    return false;
  }
  if (kind->protocol == IPPROTO_ICMPV6) {
    struct icmp6_filter filter;

    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0)
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

bool filter_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  return attach_filter(env, fd, options) && filter_icmp(env, fd, kind);
}
