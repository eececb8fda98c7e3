#include "addon.h"

#include <stddef.h>
#include <stdlib.h>

#include "arguments.h"
#include "errors.h"
#include "exports.h"

/* Offsets and sizes in the memory a socket shares, exported so that JavaScript does not repeat them. */
static const struct {
  const char *name;
  size_t value;
} layout[] = {
  {"departures", offsetof(struct records, departures)},
  {"departureCount", DEPARTURES},
  {"departureBytes", sizeof(struct departure)},
  {"departureHandedNs", offsetof(struct departure, handed_ns)},
  {"departureLeftNs", offsetof(struct departure, left_ns)},

  {"arrivals", offsetof(struct records, arrivals)},
  {"arrivalCount", ARRIVALS},
  {"arrivalBytes", sizeof(struct arrival)},
  {"arrivalAtNs", offsetof(struct arrival, at_ns)},
  {"arrivalClock", offsetof(struct arrival, clock)},
  {"arrivalStart", offsetof(struct arrival, start)},
  {"arrivalLength", offsetof(struct arrival, length)},
  {"arrivalIsTruncated", offsetof(struct arrival, is_truncated)},
  {"arrivalTtl", offsetof(struct arrival, ttl)},
  {"arrivalTrafficClass", offsetof(struct arrival, traffic_class)},
  {"arrivalPort", offsetof(struct arrival, port)},
  {"arrivalIsOutgoing", offsetof(struct arrival, is_outgoing)},
  {"arrivalAddressLength", offsetof(struct arrival, address_length)},
  {"arrivalAddress", offsetof(struct arrival, address)},
  {"arrivalLocalLength", offsetof(struct arrival, local_length)},
  {"arrivalLocal", offsetof(struct arrival, local)},

  {"errors", offsetof(struct records, errors)},
  {"errorCount", ERRORS},
  {"errorBytes", sizeof(struct error)},
  {"errorAtNs", offsetof(struct error, at_ns)},
  {"errorClock", offsetof(struct error, clock)},
  {"errorStart", offsetof(struct error, start)},
  {"errorLength", offsetof(struct error, length)},
  {"errorNumber", offsetof(struct error, number)},
  {"errorType", offsetof(struct error, type)},
  {"errorCode", offsetof(struct error, code)},
  {"errorInfo", offsetof(struct error, info)},
  {"errorPort", offsetof(struct error, port)},
  {"errorAddressLength", offsetof(struct error, address_length)},
  {"errorAddress", offsetof(struct error, address)},
  {"errorOffenderLength", offsetof(struct error, offender_length)},
  {"errorOffender", offsetof(struct error, offender)},
};

static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
  {"openPacketSocket", open_packet_socket},
  {"tcpInfo", read_tcp_info},
  {"reservePorts", reserve_ports},
  {"sourceAddress", source_address},
  {"enterNetworkNamespace", enter_network_namespace},
  {"openStreamSocket", open_stream_socket},
};

static bool export_layout(napi_env env, napi_value exports)
{
  napi_value object;

  if (!ok(env, napi_create_object(env, &object)))
    return false;
  for (size_t i = 0; i < sizeof layout / sizeof *layout; i++)
    if (!set_number(env, object, layout[i].name, (double)layout[i].value))
      return false;
  return ok(env, napi_set_named_property(env, exports, "layout", object));
}

static bool export_functions(napi_env env, struct addon *addon, napi_value exports)
{
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;

    if (!ok(env, napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, addon, &function)) ||
        !ok(env, napi_set_named_property(env, exports, functions[i].name, function)))
      return false;
  }
  return true;
}

static void on_environment_gone(napi_env env, void *addon, void *hint)
{
  struct addon *gone = addon;

  (void)env;
  (void)hint;
  stamping_stop(&gone->thread.stamping);
  free(gone);
}

/* Runs once in each environment; there may be many at once. */
NAPI_MODULE_INIT()
{
  napi_value base;
  struct addon *addon = calloc(1, sizeof *addon);

  if (addon == NULL) {
    napi_throw_error(env, "ENOMEM", "calloc: out of memory");
    return NULL;
  }
  if (!ok(env, napi_set_instance_data(env, addon, on_environment_gone, NULL))) {
    free(addon);
    return NULL;
  }
  timed_thread_start(&addon->thread);
  if (!ok(env, napi_get_uv_event_loop(env, &addon->loop)) || !export_layout(env, exports) ||
      !export_functions(env, addon, exports) ||
      !ok(env, napi_create_bigint_int64(env, addon->thread.line.base_ns, &base)) ||
      !ok(env, napi_set_named_property(env, exports, "baseNs", base)))
    return NULL;
  return exports;
}
