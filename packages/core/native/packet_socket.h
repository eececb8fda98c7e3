#ifndef SCOUT_PACKET_SOCKET_H
#define SCOUT_PACKET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>
#include <uv.h>

#include "departures.h"
#include "records.h"
#include "socket_kind.h"

struct addon;

/*
 * One open socket. It lives in C: the poll handle, the shared memory and each method handed to JavaScript are its holders,
 * and the last one frees it. So it can be closed at any time, even in its own callback. While it is open the loop holds
 * it: the garbage collector never closes a socket that JavaScript no longer references.
 */
struct packet_socket {
  struct addon *addon;
  const struct socket_kind *kind;
  napi_env env;
  uv_poll_t poll;
  int fd; /* -1 when closed */
  unsigned holders;

  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  bool is_delivering; /* JavaScript is reading the rows */

  struct records *records;
  size_t records_bytes;
  size_t packet_bytes;
  uint32_t errors; /* rows waiting to be delivered */

  struct departures departures;
  bool is_counting; /* the kernel's count of sent packets is known */
  unsigned sent_since_drain;
  uint32_t local_mtu; /* of the last packet this host refused as too big; 0 when unknown */

  int64_t opened_ns;
  uint32_t trusted_steps; /* stamps are trusted if the wall clock was stepped no more than this often */
  uint32_t dropped;       /* as last reported to JavaScript */
};

/* Drops one holder; the last one frees the socket. */
void packet_socket_release(struct packet_socket *socket);

/* Closes the socket: nothing is delivered afterwards. May be called again. */
void packet_socket_close(struct packet_socket *socket);

/* Returns the socket of a method call and fills `arguments`; NULL with an exception pending when it is closed. */
struct packet_socket *socket_of_call(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

#endif
