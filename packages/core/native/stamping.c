#include "stamping.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

enum { ATTEMPTS = 100, PAUSE_NS = 100000 };

static int open_loopback(struct sockaddr_in *address)
{
  int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  socklen_t length = sizeof *address;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0)
    return -1;
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)address, sizeof *address) == 0 &&
      getsockname(fd, (struct sockaddr *)address, &length) == 0 &&
      setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0)
    return fd;
  close(fd);
  return -1;
}

/* Returns whether a packet to ourselves was stamped before we read it. */
static bool is_stamped(int fd, const struct sockaddr_in *address)
{
  unsigned char byte = 0;
  union {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(sizeof(struct scm_timestamping))];
  } control;
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct timespec before, stamp;

  if (sendto(fd, &byte, 1, MSG_NOSIGNAL, (const struct sockaddr *)address, sizeof *address) != 1)
    return false;
  clock_gettime(CLOCK_REALTIME, &before);
  if (recvmsg(fd, &message, 0) < 0)
    return false;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SO_TIMESTAMPING ||
      header->cmsg_len < CMSG_LEN(sizeof stamp))
    return false;
  memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
  return stamp.tv_sec < before.tv_sec || (stamp.tv_sec == before.tv_sec && stamp.tv_nsec < before.tv_nsec);
}

void stamping_start(struct stamping *stamping)
{
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  struct sockaddr_in address;

  if (stamping->fd >= 0)
    return;
  stamping->fd = open_loopback(&address);
  for (int i = 0; i < ATTEMPTS && stamping->fd >= 0 && !stamping->is_certain; i++) {
    stamping->is_certain = is_stamped(stamping->fd, &address);
    if (!stamping->is_certain)
      nanosleep(&pause, NULL);
  }
}

void stamping_stop(struct stamping *stamping)
{
  if (stamping->fd >= 0)
    close(stamping->fd);
  stamping->fd = -1;
}
