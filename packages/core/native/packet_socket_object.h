#ifndef SCOUT_PACKET_SOCKET_OBJECT_H
#define SCOUT_PACKET_SOCKET_OBJECT_H

#include <stdbool.h>

#include <node_api.h>

#include "packet_socket.h"

/* Gives `object` the methods, the shared memory, the port and the buffer size of a socket. */
bool fill_object(napi_env env, struct packet_socket *socket, napi_value object);

#endif
