#ifndef SCOUT_DELIVERY_H
#define SCOUT_DELIVERY_H

#include <stdbool.h>

#include <node_api.h>

#include "packet_socket.h"

/* Fill the rows that JavaScript reads. */
extern const struct timed_socket_events packet_socket_events;

/* Wakes the loop when there is something to read; at once if `is_waiting`, for rows that no kernel event will announce. */
void watch_socket(struct packet_socket *socket, bool is_waiting);

/* A method of a packet socket, described where it is defined. */
napi_value drain(napi_env env, napi_callback_info info);

#endif
