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

/* options.passesErrors: whether a raw ICMP socket receives errors, too, whole and for all sockets of its namespace. */
static bool passes_errors(napi_env env, napi_value options, bool *passes)
{
  napi_value value;
  bool is_given;

  *passes = false;
  if (!read_optional(env, options, "passesErrors", &value, &is_given))
    return false;
  return !is_given || ok(env, napi_get_value_bool(env, value, passes));
}

static bool filter_icmp4(napi_env env, int fd, bool has_errors)
{
  uint32_t passed = 1u << ICMP_ECHOREPLY;

  if (has_errors)
    passed |= 1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED | 1u << ICMP_PARAMETERPROB;
  uint32_t blocked = ~passed;
  if (setsockopt(fd, SOL_RAW, RAW_ICMP_FILTER, &blocked, sizeof blocked) == 0)
    return true;
  throw_errno(env, errno, "setsockopt ICMP_FILTER");
  return false;
}

static bool filter_icmp6(napi_env env, int fd, bool has_errors)
{
  struct icmp6_filter filter;

  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
  if (has_errors)
    for (int type = ICMP6_DST_UNREACH; type <= ICMP6_PARAM_PROB; type++)
      ICMP6_FILTER_SETPASS(type, &filter);
  if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0)
    return true;
  throw_errno(env, errno, "setsockopt ICMP6_FILTER");
  return false;
}

/* Echo replies only: a raw ICMP socket otherwise receives all ICMP of its namespace. Errors come by the error queue. */
static bool filter_icmp(napi_env env, int fd, const struct socket_kind *kind, napi_value options)
{
  bool has_errors;

  if (kind->type != SOCK_RAW || (kind->protocol != IPPROTO_ICMP && kind->protocol != IPPROTO_ICMPV6))
    return true;
  if (!passes_errors(env, options, &has_errors))
    return false;
  return kind->protocol == IPPROTO_ICMP ? filter_icmp4(env, fd, has_errors) : filter_icmp6(env, fd, has_errors);
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
  return attach_filter(env, fd, options) && filter_icmp(env, fd, kind, options);
}
