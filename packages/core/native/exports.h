#ifndef SCOUT_EXPORTS_H
#define SCOUT_EXPORTS_H

#include <node_api.h>

/* What the add-on exports, each described where it is defined. The data of each function is the struct addon. */
napi_value open_packet_socket(napi_env env, napi_callback_info info);
napi_value open_engine(napi_env env, napi_callback_info info);
napi_value read_tcp_info(napi_env env, napi_callback_info info);
napi_value reserve_ports(napi_env env, napi_callback_info info);
napi_value source_address(napi_env env, napi_callback_info info);
napi_value enter_network_namespace(napi_env env, napi_callback_info info);
napi_value give_back_memory(napi_env env, napi_callback_info info);
napi_value open_stream_socket(napi_env env, napi_callback_info info);
napi_value open_streams(napi_env env, napi_callback_info info);

#endif
