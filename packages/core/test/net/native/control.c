/*
 * Reads control messages that claim more than the buffer holds. Each ends at a page that nobody may read, so that a byte read past its end
 * ends the process. Prints what was read.
 */

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"

static const struct {
  const char *name;
  int level, type;
} kinds[] = {
  {"SO_TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING}, {"IP_TTL", IPPROTO_IP, IP_TTL},
  {"IP_TOS", IPPROTO_IP, IP_TOS},                   {"IP_PKTINFO", IPPROTO_IP, IP_PKTINFO},
  {"IP_RECVERR", IPPROTO_IP, IP_RECVERR},           {"IPV6_HOPLIMIT", IPPROTO_IPV6, IPV6_HOPLIMIT},
  {"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS},       {"IPV6_PKTINFO", IPPROTO_IPV6, IPV6_PKTINFO},
  {"IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR},
};

/* Returns how many of the things that a message may bring this one has brought. */
static int found_in(const struct control *control)
{
  return (control->stamp.tv_sec != 0) + (control->ttl != -1) + (control->traffic_class != -1) + control->has_error +
         (control->local.any.sa_family != AF_UNSPEC);
}

int main(void)
{
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
    return 2;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    int least = -1;

    for (size_t there = 0; there <= 64; there++) {
      const size_t used = CMSG_LEN(0) + there;
      int found = -1;
      const size_t claimed[] = {CMSG_LEN(there), CMSG_LEN(there + 1), CMSG_LEN(64), CMSG_LEN(4096), SIZE_MAX};

      for (size_t claim = 0; claim < sizeof claimed / sizeof *claimed; claim++) {
        const struct cmsghdr header = {
          .cmsg_len = claimed[claim], .cmsg_level = kinds[kind].level, .cmsg_type = kinds[kind].type};
        struct msghdr message = {.msg_control = pages + page - used, .msg_controllen = used};
        struct control control;

        memset(message.msg_control, 1, used);
        memcpy(message.msg_control, &header, sizeof header);
        control_read(&message, &control);
        if (found >= 0 && found_in(&control) != found)
          return 3; /* it depends on what is claimed */
        found = found_in(&control);
      }
      if (found > 0 && least < 0)
        least = (int)there;
    }
    printf("%s %d\n", kinds[kind].name, least);
  }
  return 0;
}
