#ifndef SCOUT_HELD_OBJECT_H
#define SCOUT_HELD_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include <node_api.h>

/*
 * A native object as JavaScript holds it. Each method and the memory handed to JavaScript is a holder: it keeps the native object
 * alive, and `on_gone` is called with `native` as its hint when it is collected.
 */
struct held_object {
  napi_env env;
  napi_value object;
  void *native;
  unsigned *holders;
  napi_finalize on_gone;
};

struct method {
  const char *name;
  napi_callback function;
};

/* Each method is a separate function bound to its native object, so a wrong `this` cannot do harm. */
bool hold_by_methods(const struct held_object *held, const struct method *methods, size_t count);

/* Adds the property `memory`, an ArrayBuffer of these bytes. */
bool hold_by_memory(const struct held_object *held, void *bytes, size_t length);

#endif
