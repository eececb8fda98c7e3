#ifndef SCOUT_PACKET_SOCKET_OBJECT_H
#define SCOUT_PACKET_SOCKET_OBJECT_H

#include <stdbool.h>

#include <node_api.h>

#include "packet_socket.h"

/* What JavaScript gets of a socket: its methods, its memory, and what the kernel made of the options. */
bool fill_object(napi_env env, struct packet_socket *socket, napi_value object);

/* The socket a method belongs to, with `count` arguments; NULL with an exception pending when it is closed. */
struct packet_socket *socket_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

/* Methods, each described where it is defined. */
napi_value send_one(napi_env env, napi_callback_info info);
napi_value send_many(napi_env env, napi_callback_info info);
napi_value drain(napi_env env, napi_callback_info info);

#endif
