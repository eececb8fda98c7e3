#include "addon.h"

#include <stddef.h>
#include <stdlib.h>

#include "arguments.h"
#include "engine_records.h"
#include "errors.h"
#include "exports.h"
#include "streams.h"

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

  {"requestSlot", offsetof(struct engine_memory, request.slot)},
  {"requestId", offsetof(struct engine_memory, request.id)},
  {"requestLane", offsetof(struct engine_memory, request.lane)},
  {"requestPort", offsetof(struct engine_memory, request.port)},
  {"requestPayloadBytes", offsetof(struct engine_memory, request.payload_bytes)},
  {"requestTimeoutMs", offsetof(struct engine_memory, request.timeout_ms)},
  {"requestIntervalMs", offsetof(struct engine_memory, request.interval_ms)},
  {"requestDueNs", offsetof(struct engine_memory, request.due_ns)},
  {"requestFlow", offsetof(struct engine_memory, request.flow)},
  {"requestSsid", offsetof(struct engine_memory, request.ssid)},
  {"requestSequence", offsetof(struct engine_memory, request.sequence)},
  {"requestIsLight", offsetof(struct engine_memory, request.is_light)},
  {"requestCondensed", offsetof(struct engine_memory, request.condensed)},

  {"countStarted", offsetof(struct engine_memory, counts.started)},
  {"countLate", offsetof(struct engine_memory, counts.late)},
  {"countSkipped", offsetof(struct engine_memory, counts.skipped)},
  {"countInFlight", offsetof(struct engine_memory, counts.in_flight)},
  {"countLost", offsetof(struct engine_memory, counts.lost)},

  {"responders", offsetof(struct engine_memory, responders)},
  {"responderBytes", sizeof(struct responder_counts)},
  {"responderAnswered", offsetof(struct responder_counts, answered)},
  {"responderRejected", offsetof(struct responder_counts, rejected)},
  {"responderUnsent", offsetof(struct responder_counts, unsent)},
  {"responderDropped", offsetof(struct responder_counts, dropped)},

  {"sessions", offsetof(struct engine_memory, sessions) + offsetof(struct sessions, places)},
  {"sessionsBytes", sizeof(struct sessions)},
  {"sessionCount", SESSION_SETS * SESSION_WAYS},
  {"sessionBytes", sizeof(struct session)},
  {"sessionId", offsetof(struct session, id)},
  {"sessionAddress", offsetof(struct session, address)},
  {"sessionUsedNs", offsetof(struct session, used_ns)},

  {"records", offsetof(struct engine_memory, records)},
  {"recordCount", RECORDS},
  {"recordBytes", sizeof(struct record)},
  {"recordId", offsetof(struct record, id)},
  {"recordCopyOf", offsetof(struct record, copy_of)},
  {"recordStartedNs", offsetof(struct record, started_ns)},
  {"recordStartedMs", offsetof(struct record, started_ms)},
  {"recordTookNs", offsetof(struct record, took_ns)},
  {"recordEndedNs", offsetof(struct record, ended_ns)},
  {"recordKind", offsetof(struct record, kind)},
  {"recordFlags", offsetof(struct record, flags)},
  {"recordTxClock", offsetof(struct record, tx_clock)},
  {"recordRxClock", offsetof(struct record, rx_clock)},
  {"recordSequence", offsetof(struct record, sequence)},
  {"recordResidenceNs", offsetof(struct record, residence_ns)},
  {"recordForthNs", offsetof(struct record, forth_ns)},
  {"recordUtcErrorNs", offsetof(struct record, utc_error_ns)},
  {"recordSpanNs", offsetof(struct record, span_ns)},
  {"recordAnswers", offsetof(struct record, answers)},
  {"recordStampSequence", offsetof(struct record, stamp_sequence)},
  {"recordReflected", offsetof(struct record, reflected)},
  {"recordCopied", offsetof(struct record, copied)},
  {"recordSenderTtl", offsetof(struct record, sender_ttl)},
  {"recordSourcePort", offsetof(struct record, source_port)},
  {"recordLength", offsetof(struct record, length)},
  {"recordTtl", offsetof(struct record, ttl)},
  {"recordTrafficClass", offsetof(struct record, traffic_class)},
  {"recordNumber", offsetof(struct record, number)},
  {"recordType", offsetof(struct record, type)},
  {"recordCode", offsetof(struct record, code)},
  {"recordInfo", offsetof(struct record, info)},
  {"recordPort", offsetof(struct record, port)},
  {"recordAddressLength", offsetof(struct record, address_length)},
  {"recordAddress", offsetof(struct record, address)},

  {"streamRowBytes", sizeof(struct stream_row)},
  {"streamRowStream", offsetof(struct stream_row, stream)},
  {"streamRowNews", offsetof(struct stream_row, news)},
  {"streamRowNumber", offsetof(struct stream_row, number)},
  {"streamRowAtNs", offsetof(struct stream_row, at_ns)},
  {"streamRowClock", offsetof(struct stream_row, clock)},
  {"streamRowLeftNs", offsetof(struct stream_row, left_ns)},
  {"streamRowStart", offsetof(struct stream_row, start)},
  {"streamRowLength", offsetof(struct stream_row, length)},
  {"streamRowPort", offsetof(struct stream_row, port)},
  {"streamRowRttUs", offsetof(struct stream_row, rtt_us)},
  {"streamRowRetransmits", offsetof(struct stream_row, retransmits)},
  {"streamRowSendMss", offsetof(struct stream_row, send_mss)},
  {"streamRowType", offsetof(struct stream_row, type)},
  {"streamRowCode", offsetof(struct stream_row, code)},
};

static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
  {"openPacketSocket", open_packet_socket},
  {"openEngine", open_engine},
  {"tcpInfo", read_tcp_info},
  {"reservePorts", reserve_ports},
  {"sourceAddress", source_address},
  {"enterNetworkNamespace", enter_network_namespace},
  {"giveBackMemory", give_back_memory},
  {"openStreamSocket", open_stream_socket},
  {"openStreams", open_streams},
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
  timed_thread_stop(&gone->thread);
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
