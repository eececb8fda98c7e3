#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

static bool refuse(napi_env env, const char *name, const char *expected)
{
  char message[160];

  snprintf(message, sizeof message, "%s must be %s", name, expected);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *arguments, void **data)
{
  size_t given = count;

  /* Missing arguments arrive as undefined; the function that reads one refuses it. */
  return ok(env, napi_get_cb_info(env, info, &given, arguments, NULL, data));
}

bool read_integer(napi_env env, napi_value value, const char *name, int64_t min, int64_t max, int64_t *result)
{
  double number;
  char expected[80];

  if (napi_get_value_double(env, value, &number) == napi_ok && number >= (double)min && number <= (double)max &&
      number == (double)(int64_t)number) {
    *result = (int64_t)number;
    return true;
  }
  snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min, (long long)max);
  return refuse(env, name, expected);
}

bool read_text(napi_env env, napi_value value, const char *name, char *text, size_t size)
{
  size_t length, whole;

  if (napi_get_value_string_utf8(env, value, text, size, &length) != napi_ok)
    return refuse(env, name, "a string");
  /* Was it cut? A character of up to four bytes is left out as a whole. */
  if (length + 4 >= size && (!ok(env, napi_get_value_string_utf8(env, value, NULL, 0, &whole)) || whole > length))
    return refuse(env, name, "shorter");
  return strlen(text) == length || refuse(env, name, "without NUL");
}

bool read_bytes(napi_env env, napi_value value, const char *name, uint8_t **bytes, size_t *length)
{
  napi_typedarray_type type;
  void *data;

  /* Another kind of value is napi_invalid_arg, which is no exception. */
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
    return refuse(env, name, "a Uint8Array");
  *bytes = data;
  return true;
}

bool read_family(napi_env env, napi_value value, int *family)
{
  char text[8];

  if (!read_text(env, value, "family", text, sizeof text))
    return false;
  *family = strcmp(text, "ipv4") == 0 ? AF_INET : strcmp(text, "ipv6") == 0 ? AF_INET6 : AF_UNSPEC;
  return *family != AF_UNSPEC || refuse(env, "family", "ipv4 or ipv6");
}

bool read_address(napi_env env, int family, napi_value text, napi_value port, union address *address)
{
  char buffer[ADDRESS_TEXT_BYTES];
  int64_t number;

  if (!read_text(env, text, "address", buffer, sizeof buffer) ||
      !read_integer(env, port, "port", 0, UINT16_MAX, &number))
    return false;
  int error = address_parse(family, buffer, (uint16_t)number, address);
  if (error == 0)
    return true;
  if (error == EINVAL)
    return refuse(env, "address", family == AF_INET ? "an IPv4 address" : "an IPv6 address");
  throw_errno(env, error, "if_nametoindex");
  return false;
}

bool read_optional(napi_env env, napi_value object, const char *name, napi_value *value, bool *is_given)
{
  napi_valuetype type;

  if (!ok(env, napi_get_named_property(env, object, name, value)) || !ok(env, napi_typeof(env, *value, &type)))
    return false;
  *is_given = type != napi_undefined;
  return true;
}

bool set_number(napi_env env, napi_value object, const char *name, double number)
{
  napi_value value;

  return ok(env, napi_create_double(env, number, &value)) && ok(env, napi_set_named_property(env, object, name, value));
}
