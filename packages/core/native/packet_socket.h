#ifndef SCOUT_PACKET_SOCKET_H
#define SCOUT_PACKET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>
#include <uv.h>

#include "callback.h"
#include "records.h"
#include "timed_socket.h"

/*
 * One open socket. It lives in C: the poll handle, the shared memory and each method handed to JavaScript are its holders,
 * and the last one frees it. So it can be closed at any time, even in its own callback. While it is open the loop holds
 * it: the garbage collector never closes a socket that JavaScript no longer references.
 */
struct packet_socket {
  struct timed_socket timed; /* first, so that one is found from the other */
  uint32_t kernel_ids[DEPARTURES];
  uv_poll_t poll;
  unsigned holders;

  struct callback callback;
  napi_async_cleanup_hook_handle cleanup;
  bool is_delivering; /* JavaScript is reading the rows */

  struct records *records;
  size_t records_bytes;
  uint32_t arrivals; /* rows waiting to be delivered */
  uint32_t errors;
  uint32_t dropped; /* packets, to be delivered as well */
};

/* Drops one holder; the last one frees the socket. */
void packet_socket_release(struct packet_socket *socket);

/* Closes the socket: nothing is delivered afterwards. May be called again. */
void packet_socket_close(struct packet_socket *socket);

/* Returns the socket of a method call and fills `arguments`; NULL with an exception pending when it is closed. */
struct packet_socket *socket_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

#endif
