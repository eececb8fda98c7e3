#ifndef SCOUT_SOCKET_FILTER_H
#define SCOUT_SOCKET_FILTER_H

#include <stdbool.h>

#include <node_api.h>

#include "socket_kind.h"

/* Keeps the kernel from waking a socket for packets it has no use for. */
bool filter_socket(napi_env env, int fd, const struct socket_kind *kind, napi_value options);

#endif
