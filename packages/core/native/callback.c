#include "callback.h"

#include "errors.h"

enum { MOST_NUMBERS = 3 };

bool callback_set(napi_env env, struct callback *callback, napi_value function, const char *name)
{
  napi_valuetype type;
  napi_value text;

  callback->env = env;
  if (!ok(env, napi_typeof(env, function, &type)))
    return false;
  if (type != napi_function) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the callback must be a function");
    return false;
  }
  return ok(env, napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text)) &&
         ok(env, napi_async_init(env, NULL, text, &callback->context)) &&
         ok(env, napi_create_reference(env, function, 1, &callback->function));
}

napi_status callback_call(const struct callback *callback, const uint32_t *numbers, size_t count)
{
  napi_env env = callback->env;
  napi_value function, receiver, arguments[MOST_NUMBERS];
  napi_status status;

  if ((status = napi_get_reference_value(env, callback->function, &function)) != napi_ok ||
      (status = napi_get_undefined(env, &receiver)) != napi_ok)
    return status;
  for (size_t i = 0; i < count; i++)
    if ((status = napi_create_uint32(env, numbers[i], &arguments[i])) != napi_ok)
      return status;
  return napi_call_function(env, receiver, function, count, arguments, NULL);
}

void raise_uncaught(napi_env env)
{
  napi_value exception;
  bool is_pending;

  if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

void callback_turn(const struct callback *callback, napi_status (*deliver)(void *), void *data)
{
  napi_env env = callback->env;
  napi_handle_scope handles;
  napi_callback_scope scope;
  napi_value resource;

  if (napi_open_handle_scope(env, &handles) != napi_ok)
    return;
  /* Closing the scope runs process.nextTick callbacks and promises. */
  if (napi_create_object(env, &resource) == napi_ok &&
      napi_open_callback_scope(env, resource, callback->context, &scope) == napi_ok) {
    if (deliver(data) != napi_ok)
      raise_uncaught(env);
    napi_close_callback_scope(env, scope);
  }
  napi_close_handle_scope(env, handles);
}

void callback_drop(struct callback *callback)
{
  if (callback->function != NULL)
    napi_delete_reference(callback->env, callback->function);
  callback->function = NULL;
}

void callback_end(struct callback *callback)
{
  napi_handle_scope handles;

  if (callback->context == NULL || napi_open_handle_scope(callback->env, &handles) != napi_ok)
    return;
  napi_async_destroy(callback->env, callback->context);
  callback->context = NULL;
  napi_close_handle_scope(callback->env, handles);
}
