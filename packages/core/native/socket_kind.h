#ifndef SCOUT_SOCKET_KIND_H
#define SCOUT_SOCKET_KIND_H

#include <stdbool.h>

#include <node_api.h>

/* A kind of packet socket: what socket(2) is given, and what differs in its use. */
struct socket_kind {
  const char *name;
  int family;
  int type;
  int protocol;
  bool has_port;      /* bound to a port: of UDP, or the identifier of a ping socket */
  bool has_ip_header; /* received packets begin with it: raw(7), for IPv4 only */
  bool is_observer;
};

/* Reads options.kind. */
bool read_kind(napi_env env, napi_value options, const struct socket_kind **kind);

/* Binds to options.address and options.port where given; an observer to all traffic. */
bool bind_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options);

#endif
