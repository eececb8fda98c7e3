#ifndef SCOUT_PACKET_OPTIONS_H
#define SCOUT_PACKET_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <node_api.h>

#include "address.h"

/* The options of one packet, as control data (ip(7), ipv6(7)); DF has none for IPv4, so mtuDiscovery is of sockets only. */
struct packet_options {
  size_t length; /* 0 without options */
  union {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(sizeof(int)) * 3 + CMSG_SPACE(sizeof(struct in6_pktinfo))];
  } control;
};

/* Reads ttl, trafficClass and source of an object, or none where it is undefined. */
bool read_packet_options(napi_env env, napi_value object, int family, struct packet_options *options);

/* The one option to leave from a local address; none when it is unknown. */
void packet_options_source(struct packet_options *options, const union address *local);

/* Adds the TOS or traffic class. */
void packet_options_class(struct packet_options *options, int family, int traffic_class);

/* Adds that the kernel stamps its departure, on a socket that does not ask for that (Documentation/networking/timestamping.rst §1.3.4). */
void packet_options_stamp(struct packet_options *options);

/* The options must live as long as the message. */
void set_packet_options(struct msghdr *message, struct packet_options *options);

#endif
