#ifndef SCOUT_CALLBACK_H
#define SCOUT_CALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>

/* A function of JavaScript that the event loop calls on behalf of a native object. */
struct callback {
  napi_env env;
  napi_ref function;
  napi_async_context context;
};

/* Keeps the function. `name` is how asynchronous hooks know its calls. Undone by callback_drop and callback_end, on failure too. */
bool callback_set(napi_env env, struct callback *callback, napi_value function, const char *name);

/* Calls it with numbers. An exception is left to the caller. */
napi_status callback_call(const struct callback *callback, const uint32_t *numbers, size_t count);

/* Runs `deliver` as one turn of the event loop: what it throws is uncaught, and promises and ticks run after it. */
void callback_turn(const struct callback *callback, napi_status (*deliver)(void *), void *data);

/* Hands a pending exception to process.on('uncaughtException'), like any callback of Node. */
void raise_uncaught(napi_env env);

/* It is not called any more. May be called again. */
void callback_drop(struct callback *callback);

/* After callback_drop, from the loop or the function that set it: frees the rest. */
void callback_end(struct callback *callback);

#endif
