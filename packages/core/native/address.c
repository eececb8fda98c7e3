#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The index of an interface, given as a number or as its name in the network namespace of this thread; 0 if there is none. */
static uint32_t parse_zone(const char *text)
{
  char *end;
  unsigned long number = strtoul(text, &end, 10);

  if (text[0] >= '0' && text[0] <= '9' && *end == '\0')
    return number <= INT32_MAX ? (uint32_t)number : 0;
  return if_nametoindex(text);
}

static int parse_v6(const char *text, struct sockaddr_in6 *address)
{
  char bare[INET6_ADDRSTRLEN];
  const char *zone = strchr(text, '%');
  size_t length = zone == NULL ? strlen(text) : (size_t)(zone - text);

  if (length >= sizeof bare)
    return EINVAL;
  memcpy(bare, text, length);
  bare[length] = '\0';
  if (inet_pton(AF_INET6, bare, &address->sin6_addr) != 1)
    return EINVAL;
  if (zone == NULL)
    return 0;
  address->sin6_scope_id = parse_zone(zone + 1);
  return address->sin6_scope_id == 0 ? ENODEV : 0;
}

int address_parse(int family, const char *text, uint16_t port, union address *address)
{
  memset(address, 0, sizeof *address);
  address->any.sa_family = (sa_family_t)family;
  if (family == AF_INET) {
    address->v4.sin_port = htons(port);
    return inet_pton(AF_INET, text, &address->v4.sin_addr) == 1 ? 0 : EINVAL;
  }
  address->v6.sin6_port = htons(port);
  return parse_v6(text, &address->v6);
}

socklen_t address_length(const union address *address)
{
  return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

uint16_t address_port(const union address *address)
{
  switch (address->any.sa_family) {
  case AF_INET:
    return ntohs(address->v4.sin_port);
  case AF_INET6:
    return ntohs(address->v6.sin6_port);
  default:
    return 0;
  }
}

uint32_t address_format(const union address *address, char text[ADDRESS_TEXT_BYTES])
{
  text[0] = '\0';
  if (address->any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address->v4.sin_addr, text, ADDRESS_TEXT_BYTES);
  } else if (address->any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address->v6.sin6_addr, text, ADDRESS_TEXT_BYTES);
    /* The kernel sets it for link-local addresses only. */
    if (address->v6.sin6_scope_id != 0) {
      size_t length = strlen(text);
      snprintf(text + length, ADDRESS_TEXT_BYTES - length, "%%%u", address->v6.sin6_scope_id);
    }
  }
  return (uint32_t)strlen(text);
}
