#include "sessions.h"

#include <stdatomic.h>
#include <string.h>

/* A session ends by this silence: the next packet begins another. */
static const double longest_silence_ns = 900e9;

static void fill_address(uint8_t address[16], const union address *from)
{
  if (from->any.sa_family == AF_INET) {
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, &from->v4.sin_addr, sizeof from->v4.sin_addr);
  } else
    memcpy(address, &from->v6.sin6_addr, sizeof from->v6.sin6_addr);
}

static bool is_same(const struct session *one, const struct session *other)
{
  return one->id != 0 && one->port_and_ssid == other->port_and_ssid &&
         memcmp(one->address, other->address, sizeof one->address) == 0;
}

/* Gives a place to another session. */
static void replace(struct session *place, const struct session *session, uint32_t id)
{
  place->id = 0;
  atomic_thread_fence(memory_order_release);
  *place = *session;
  atomic_thread_fence(memory_order_release);
  place->id = id;
}

struct session *sessions_find(struct sessions *sessions, const struct random *random, const union address *from,
                              uint32_t ssid, int64_t now_ns)
{
  struct session wanted = {.port_and_ssid = ssid != 0 ? ssid : (uint32_t)address_port(from) << 16};

  fill_address(wanted.address, from);
  wanted.used_ns = (double)now_ns;
  uint64_t halves[2];
  memcpy(halves, wanted.address, sizeof halves);
  uint64_t veil = random_veil(random, random_veil(random, halves[0]) ^ halves[1]);
  struct session *set = sessions->places[random_veil(random, veil ^ wanted.port_and_ssid) % SESSION_SETS];
  struct session *found = &set[0];

  for (int i = 0; i < SESSION_WAYS; i++) {
    if (is_same(&set[i], &wanted)) {
      found = &set[i];
      break;
    }
    if (set[i].used_ns < found->used_ns)
      found = &set[i];
  }
  if (!is_same(found, &wanted) || wanted.used_ns - found->used_ns > longest_silence_ns) {
    sessions->count += sessions->count == UINT32_MAX ? 2 : 1;
    replace(found, &wanted, sessions->count);
  }
  found->used_ns = wanted.used_ns;
  return found;
}
