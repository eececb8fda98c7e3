#ifndef SCOUT_ADDRESS_H
#define SCOUT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "fe80::1%2" with the NUL: INET6_ADDRSTRLEN, the sign and ten digits fit. */
enum { ADDRESS_TEXT_BYTES = 64 };

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Reads an address of the given family; a link-local one may have the index or name of its interface ("fe80::1%2"). Returns 0 or an errno. */
int address_parse(int family, const char *text, uint16_t port, union address *address);

socklen_t address_length(const union address *address);

uint16_t address_port(const union address *address);

/* Writes the address as inet_ntop does, with the index of its interface, and returns its length; 0 when there is none. */
uint32_t address_format(const union address *address, char text[ADDRESS_TEXT_BYTES]);

#endif
