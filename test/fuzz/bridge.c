/*
 * libFuzzer in Node: fuzz(arguments, counters, target) runs its main loop, which calls target with bytes. The target fills the counters,
 * one byte each, in place of those that a compiler would insert. An exception ends the process like a crash, so that libFuzzer
 * keeps the bytes that caused it. Does not return: libFuzzer ends the process.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <node_api.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *, size_t));
void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop);

enum { MOST_ARGUMENTS = 32, MOST_ARGUMENT_BYTES = 4096 };

static napi_env node;
static napi_value target;

static void check(napi_status status)
{
  if (status != napi_ok)
    abort();
}

static void print_exception(void)
{
  char text[1 << 14];
  size_t length;
  napi_value error, stack;

  check(napi_get_and_clear_last_exception(node, &error));
  check(napi_get_named_property(node, error, "stack", &stack));
  check(napi_get_value_string_utf8(node, stack, text, sizeof text, &length));
  fprintf(stderr, "%s\n", text);
}

static int run_target(const uint8_t *bytes, size_t length)
{
  napi_handle_scope scope;
  napi_value copy, receiver, result;

  check(napi_open_handle_scope(node, &scope));
  check(napi_create_buffer_copy(node, length, bytes, NULL, &copy));
  check(napi_get_undefined(node, &receiver));
  if (napi_call_function(node, receiver, target, 1, &copy, &result) != napi_ok) {
    print_exception();
    abort();
  }
  check(napi_close_handle_scope(node, scope));
  return 0;
}

static napi_value fuzz(napi_env env, napi_callback_info info)
{
  static char texts[MOST_ARGUMENTS][MOST_ARGUMENT_BYTES];
  char *pointers[MOST_ARGUMENTS + 1] = {0};
  char **argv = pointers;
  size_t count = 3, length;
  uint32_t given;
  napi_value values[3], text;
  void *counters;

  node = env;
  check(napi_get_cb_info(env, info, &count, values, NULL, NULL));
  check(napi_get_array_length(env, values[0], &given));
  for (uint32_t i = 0; i < given && i < MOST_ARGUMENTS; i++) {
    check(napi_get_element(env, values[0], i, &text));
    check(napi_get_value_string_utf8(env, text, texts[i], MOST_ARGUMENT_BYTES, &length));
    pointers[i] = texts[i];
  }
  check(napi_get_buffer_info(env, values[1], &counters, &length));
  __sanitizer_cov_8bit_counters_init(counters, (uint8_t *)counters + length);
  target = values[2];
  int argc = (int)given;
  LLVMFuzzerRunDriver(&argc, &argv, run_target);
  return NULL;
}

NAPI_MODULE_INIT()
{
  napi_value function;

  check(napi_create_function(env, "fuzz", NAPI_AUTO_LENGTH, fuzz, NULL, &function));
  check(napi_set_named_property(env, exports, "fuzz", function));
  return exports;
}
