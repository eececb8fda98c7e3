#include "errors.h"

#include <errno.h>
#include <stdio.h>

#include <uv.h>

/* libuv has no name for the errno of ICMP "source host isolated" (net/ipv4/icmp.c, icmp_err_convert). */
static void errno_name(int error, char *name, size_t size)
{
  if (error == ENONET)
    snprintf(name, size, "ENONET");
  else
    uv_err_name_r(-error, name, size);
}

napi_value errno_error(napi_env env, int error, const char *syscall)
{
  char name[64];
  char reason[128];
  char text[256];
  napi_value code, message, object, number, call;

  errno_name(error, name, sizeof name);
  uv_strerror_r(-error, reason, sizeof reason);
  snprintf(text, sizeof text, "%s %s: %s", syscall, name, reason);
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
      napi_create_error(env, code, message, &object) != napi_ok ||
      napi_create_int32(env, -error, &number) != napi_ok ||
      napi_set_named_property(env, object, "errno", number) != napi_ok ||
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &call) != napi_ok ||
      napi_set_named_property(env, object, "syscall", call) != napi_ok)
    return NULL;
  return object;
}

void throw_errno(napi_env env, int error, const char *syscall)
{
  napi_value object = errno_error(env, error, syscall);

  /* Without an object an exception is pending already: the environment is out of memory or shutting down. */
  if (object != NULL)
    napi_throw(env, object);
}

bool ok(napi_env env, napi_status status)
{
  const napi_extended_error_info *last;
  bool is_pending;

  if (status == napi_ok)
    return true;
  if (napi_get_last_error_info(env, &last) != napi_ok)
    return false;
  const char *message = last->error_message;
  if (napi_is_exception_pending(env, &is_pending) == napi_ok && !is_pending)
    napi_throw_error(env, "ERR_NODE_API", message != NULL ? message : "a Node-API call failed");
  return false;
}
