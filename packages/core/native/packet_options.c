#include "packet_options.h"

#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>

#include "arguments.h"
#include "errors.h"

struct option_name {
  int level;
  int type;
};

static void add_option(struct packet_options *options, struct option_name of, const void *value, size_t bytes)
{
  struct cmsghdr *header = (struct cmsghdr *)(options->control.bytes + options->length);

  header->cmsg_level = of.level;
  header->cmsg_type = of.type;
  header->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(header), value, bytes);
  options->length += CMSG_SPACE(bytes);
}

static bool read_number_option(napi_env env, napi_value object, const char *name, struct option_name of, int64_t min,
                               struct packet_options *options)
{
  napi_value value;
  bool is_given;
  int64_t number;

  if (!read_optional(env, object, name, &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!read_integer(env, value, name, min, 255, &number))
    return false;
  add_option(options, of, &(int){(int)number}, sizeof(int));
  return true;
}

static void add_source(struct packet_options *options, const union address *local)
{
  if (local->any.sa_family == AF_INET) {
    struct in_pktinfo info = {.ipi_spec_dst = local->v4.sin_addr};
    add_option(options, (struct option_name){.level = IPPROTO_IP, .type = IP_PKTINFO}, &info, sizeof info);
  } else {
    struct in6_pktinfo info = {.ipi6_addr = local->v6.sin6_addr, .ipi6_ifindex = local->v6.sin6_scope_id};
    add_option(options, (struct option_name){.level = IPPROTO_IPV6, .type = IPV6_PKTINFO}, &info, sizeof info);
  }
}

/* The address it leaves from, of those of this host. */
static bool read_source(napi_env env, napi_value object, int family, struct packet_options *options)
{
  union address address;
  napi_value value, port;
  bool is_given;

  if (!read_optional(env, object, "source", &value, &is_given))
    return false;
  if (!is_given)
    return true;
  if (!ok(env, napi_create_uint32(env, 0, &port)) || !read_address(env, family, value, port, &address))
    return false;
  add_source(options, &address);
  return true;
}

bool read_packet_options(napi_env env, napi_value object, int family, struct packet_options *options)
{
  napi_valuetype type;
  bool is_v4 = family == AF_INET;
  int level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;

  options->length = 0;
  if (!ok(env, napi_typeof(env, object, &type)))
    return false;
  if (type == napi_undefined)
    return true;
  memset(&options->control, 0, sizeof options->control);
  return read_number_option(env, object, "ttl",
                            (struct option_name){.level = level, .type = is_v4 ? IP_TTL : IPV6_HOPLIMIT}, 1,
                            options) &&
         read_number_option(env, object, "trafficClass",
                            (struct option_name){.level = level, .type = is_v4 ? IP_TOS : IPV6_TCLASS}, 0,
                            options) &&
         read_source(env, object, family, options);
}

void packet_options_source(struct packet_options *options, const union address *local)
{
  *options = (struct packet_options){.length = 0};
  if (local->any.sa_family != AF_UNSPEC)
    add_source(options, local);
}

void packet_options_class(struct packet_options *options, int family, int traffic_class)
{
  bool is_v4 = family == AF_INET;
  struct option_name name = {.level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6, .type = is_v4 ? IP_TOS : IPV6_TCLASS};

  add_option(options, name, &traffic_class, sizeof traffic_class);
}

void packet_options_stamp(struct packet_options *options)
{
  uint32_t stamps = SOF_TIMESTAMPING_TX_SOFTWARE;

  add_option(options, (struct option_name){.level = SOL_SOCKET, .type = SO_TIMESTAMPING}, &stamps, sizeof stamps);
}

void set_packet_options(struct msghdr *message, struct packet_options *options)
{
  if (options->length == 0)
    return;
  message->msg_control = options->control.bytes;
  message->msg_controllen = options->length;
}
