#ifndef SCOUT_SOCKET_OPTIONS_H
#define SCOUT_SOCKET_OPTIONS_H

#include <stdbool.h>

#include <node_api.h>

#include "socket_kind.h"

/*
 * Sets what a socket needs for kernel times and ICMP errors: stamps, error queue, TTL of arrivals, large buffers, and the
 * caller's options. On failure an exception is pending.
 */
bool prepare_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options);

/* options.ttl, options.trafficClass and options.mtuDiscovery, where given, apply to all packets sent from now on. */
bool apply_sending_options(napi_env env, int fd, const struct socket_kind *kind, napi_value options);

/* Sets the kernel's count of sent packets to zero. Returns 0 or an errno. */
int restart_send_count(int fd);

/* Stamps only what arrives, and those packets that ask for it. Sets the kernel's count of these to zero. Returns 0 or an errno. */
int stamp_on_demand(int fd);

#endif
