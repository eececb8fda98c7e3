#include "held_object.h"

#include "errors.h"

bool hold_by_methods(const struct held_object *held, const struct method *methods, size_t count)
{
  napi_env env = held->env;

  for (size_t i = 0; i < count; i++) {
    napi_value function;

    if (!ok(env, napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].function, held->native, &function)) ||
        !ok(env, napi_add_finalizer(env, function, held->native, held->on_gone, held->native, NULL)))
      return false;
    ++*held->holders;
    if (!ok(env, napi_set_named_property(env, held->object, methods[i].name, function)))
      return false;
  }
  return true;
}

bool hold_by_memory(const struct held_object *held, void *bytes, size_t length)
{
  napi_value memory;

  if (!ok(held->env, napi_create_external_arraybuffer(held->env, bytes, length, held->on_gone, held->native, &memory)))
    return false;
  ++*held->holders;
  return ok(held->env, napi_set_named_property(held->env, held->object, "memory", memory));
}
