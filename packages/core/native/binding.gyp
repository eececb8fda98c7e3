{
  "variables": {
    # node-gyp rebuild --strict=1: a warning is an error; --sanitize=1: AddressSanitizer (see the script test:memory).
    "strict%": 0,
    "sanitize%": 0,
  },
  "targets": [
    {
      "target_name": "scout",
      "conditions": [
        ["OS!='linux'", {"type": "none"}],
        ["OS=='linux'", {
          "sources": [
            "addon.c",
            "address.c",
            "arguments.c",
            "control.c",
            "delivery.c",
            "departures.c",
            "errors.c",
            "namespace.c",
            "open_socket.c",
            "packet_options.c",
            "packet_socket.c",
            "packet_socket_object.c",
            "ports.c",
            "receive.c",
            "route.c",
            "send.c",
            "socket_filter.c",
            "socket_kind.c",
            "socket_options.c",
            "stamping.c",
            "tcp_info.c",
            "time_line.c",
            "transmit.c",
          ],
          "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
          # common.gypi of Node sets what every add-on gets; a release must not carry its debug sections.
          "cflags!": ["-fno-omit-frame-pointer"],
          "cflags": [
            "-std=c11",
            "-fvisibility=hidden",
            "-fstack-protector-strong",
            "-Wall",
            "-Wextra",
            "-Wconversion",
            "-Wshadow",
            "-Wstrict-prototypes",
            "-Wvla",
          ],
          "ldflags": ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"],
          "conditions": [
            ["strict==1", {"cflags": ["-Werror"]}],
            ["sanitize==1", {
              "cflags": ["-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"],
              "ldflags": ["-fsanitize=address,undefined"],
            }, {
              "cflags": ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
            }],
          ],
        }],
      ],
    },
  ],
}
