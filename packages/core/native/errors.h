#ifndef SCOUT_ERRORS_H
#define SCOUT_ERRORS_H

#include <stdbool.h>

#include <node_api.h>

/*
 * System errors are thrown as Node throws them: an Error with `code` (the errno's name), `errno` (negative, as
 * libuv has it) and `syscall`, which says more than the bare name where one call has many uses ("setsockopt IP_TTL").
 */
napi_value errno_error(napi_env env, int error, const char *syscall);
void throw_errno(napi_env env, int error, const char *syscall);

/* False when a Node-API call failed; an exception is pending then, the caller only cleans up and returns. */
bool ok(napi_env env, napi_status status);

#endif
