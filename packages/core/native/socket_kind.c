#include "socket_kind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "arguments.h"
#include "errors.h"

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
  /* Binds even when any port will do, so that the port is known before the first packet. */
  if ((!has_address && !kind->has_port) || bind(fd, &address.any, address_length(&address)) == 0)
    return true;
  throw_errno(env, errno, "bind");
  return false;
}
