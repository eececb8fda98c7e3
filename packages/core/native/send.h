#ifndef SCOUT_SEND_H
#define SCOUT_SEND_H

#include <node_api.h>

/* Methods of a packet socket, described where they are defined. */
napi_value send_one(napi_env env, napi_callback_info info);
napi_value send_many(napi_env env, napi_callback_info info);

#endif
