#ifndef SCOUT_ARGUMENTS_H
#define SCOUT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>

#include "address.h"

/*
 * Reading of arguments. Each returns false with an exception pending when the value is not what it must be; callers return
 * at once. `name` is how the argument is called in the message.
 */

/* Fills exactly `count` arguments and the data of the function. */
bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, void **data);

bool read_integer(napi_env env, napi_value value, const char *name, int64_t min, int64_t max, int64_t *result);

/* The text with its NUL; refuses what does not fit, and a NUL within. */
bool read_text(napi_env env, napi_value value, const char *name, char *text, size_t size);

/* The bytes of a Uint8Array; they belong to JavaScript and are good until the next call into it. */
bool read_bytes(napi_env env, napi_value value, const char *name, uint8_t **bytes, size_t *length);

/* AF_INET or AF_INET6 from "ipv4" or "ipv6". */
bool read_family(napi_env env, napi_value value, int *family);

bool read_address(napi_env env, int family, napi_value text, napi_value port, union address *address);

/* A property that may be left out: `*is_given` says whether it was there. */
bool read_optional(napi_env env, napi_value object, const char *name, napi_value *value, bool *is_given);

bool set_number(napi_env env, napi_value object, const char *name, double number);

#endif
