// Holds the packets of one NFQUEUE and lets each of them go after a delay: delay QUEUE DELAY_US JITTER_US.
//
// Prints "ready" once the queue is open. Each line of input is answered with a line on how exact the delays were; the
// end of input ends it. Only the packets' identifiers come here, so a packet costs one small message each way. The
// message format is that of linux/netfilter/nfnetlink_queue.h; delay.py does the same without a compiler.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Lateness is counted in steps of 10 microseconds up to 10 milliseconds, all that is later in the last step.
enum { STEP_NS = 10000, STEPS = 1000, QUEUE_LENGTH = 20000 };

struct held {
  uint64_t due_ns;
  uint32_t id;
  struct held *earlier, *later;
};

static int netlink;
static uint16_t queue;
static struct held *first, *last, *spare;
static uint64_t released, worst_ns, lateness[STEPS];

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Sends one request with one attribute about the queue.
static void request(uint16_t type, uint16_t flags, uint16_t attribute, const void *value, uint16_t size) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg about;
    struct nlattr attribute;
    unsigned char value[16];
  } message = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)) + NLA_HDRLEN + NLA_ALIGN(size),
                 .nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | type,
                 .nlmsg_flags = NLM_F_REQUEST | flags},
      .about = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue)},
      .attribute = {.nla_len = NLA_HDRLEN + size, .nla_type = attribute},
  };
  memcpy(message.value, value, size);
  if (send(netlink, &message, message.header.nlmsg_len, 0) < 0) fail("cannot write to the queue");
}

// Sends a configuration request and waits for the kernel's consent.
static void configure(const char *what, uint16_t attribute, const void *value, uint16_t size) {
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
  } answer;
  request(NFQNL_MSG_CONFIG, NLM_F_ACK, attribute, value, size);
  if (recv(netlink, &answer, sizeof answer, 0) < 0) fail(what);
  if (answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error != 0) {
    errno = -answer.error.error;
    fail(what);
  }
}

static void open_queue(void) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct nfqnl_msg_config_cmd bind_queue = {.command = NFQNL_CFG_CMD_BIND};
  struct nfqnl_msg_config_params no_payload = {.copy_range = 0, .copy_mode = NFQNL_COPY_META};
  uint32_t length = htonl(QUEUE_LENGTH), large = htonl(NFQA_CFG_F_GSO);
  int room = 8 << 20, quiet = 1;
  netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (netlink < 0 || connect(netlink, (struct sockaddr *)&kernel, sizeof kernel) < 0) fail("cannot open netlink");
  // Room for messages is a wish; without it a flood overflows sooner and --queue-bypass lets the rest pass.
  setsockopt(netlink, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt(netlink, SOL_NETLINK, NETLINK_NO_ENOBUFS, &quiet, sizeof quiet);
  configure("cannot open the queue", NFQA_CFG_CMD, &bind_queue, sizeof bind_queue);
  configure("cannot set the copy mode", NFQA_CFG_PARAMS, &no_payload, sizeof no_payload);
  configure("cannot set the queue's length", NFQA_CFG_QUEUE_MAXLEN, &length, sizeof length);
  // Attributes of one request must come together: the mask says which flags the value speaks of.
  struct {
    struct nlmsghdr header;
    struct nfgenmsg about;
    struct nlattr flags;
    uint32_t flags_value;
    struct nlattr mask;
    uint32_t mask_value;
  } message = {
      .header = {.nlmsg_len = sizeof message,
                 .nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG,
                 .nlmsg_flags = NLM_F_REQUEST},
      .about = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue)},
      .flags = {.nla_len = NLA_HDRLEN + 4, .nla_type = NFQA_CFG_FLAGS},
      .flags_value = large,
      .mask = {.nla_len = NLA_HDRLEN + 4, .nla_type = NFQA_CFG_MASK},
      .mask_value = large,
  };
  if (send(netlink, &message, sizeof message, 0) < 0) fail("cannot set the queue's flags");
}

// Keeps the list in order of due times. Delays are nearly equal, so the place is nearly always at the end.
static void hold(uint32_t id, uint64_t due_ns) {
  struct held *packet = spare != NULL ? spare : malloc(sizeof *packet);
  if (packet == NULL) fail("cannot hold a packet");
  if (spare != NULL) spare = spare->later;
  struct held *before = last;
  while (before != NULL && before->due_ns > due_ns) before = before->earlier;
  *packet = (struct held){due_ns, id, before, before != NULL ? before->later : first};
  *(packet->later != NULL ? &packet->later->earlier : &last) = packet;
  *(before != NULL ? &before->later : &first) = packet;
}

static void release_due(void) {
  uint64_t now = now_ns();
  while (first != NULL && first->due_ns <= now) {
    struct held *packet = first;
    struct nfqnl_msg_verdict_hdr accept = {htonl(NF_ACCEPT), htonl(packet->id)};
    request(NFQNL_MSG_VERDICT, 0, NFQA_VERDICT_HDR, &accept, sizeof accept);
    now = now_ns();
    uint64_t late_ns = now - packet->due_ns, step = late_ns / STEP_NS;
    lateness[step < STEPS ? step : STEPS - 1]++;
    if (late_ns > worst_ns) worst_ns = late_ns;
    released++;
    first = packet->later;
    *(first != NULL ? &first->earlier : &last) = NULL;
    packet->later = spare;
    spare = packet;
  }
}

static void take(const struct nlmsghdr *header, uint64_t due_ns) {
  if (header->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)) return;
  const char *at = (const char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
  const char *end = (const char *)header + header->nlmsg_len;
  while (at + NLA_HDRLEN <= end) {
    const struct nlattr *attribute = (const struct nlattr *)at;
    if (attribute->nla_len < NLA_HDRLEN) return;
    if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
      const struct nfqnl_msg_packet_hdr *packet = (const void *)(at + NLA_HDRLEN);
      hold(ntohl(packet->packet_id), due_ns);
      return;
    }
    at += NLA_ALIGN(attribute->nla_len);
  }
}

static void report(void) {
  uint64_t seen = 0, median = 0;
  while (median < STEPS - 1 && (seen += lateness[median]) * 2 < released) median++;
  printf("held %llu packets, late by %.2f ms at the median and %.2f ms at most\n", (unsigned long long)released,
         median * STEP_NS / 1e6, worst_ns / 1e6);
  fflush(stdout);
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s QUEUE DELAY_US JITTER_US\n", arguments[0]);
    return 2;
  }
  queue = atoi(arguments[1]);
  double delay_ns = atof(arguments[2]) * 1e3, jitter_ns = atof(arguments[3]) * 1e3;
  static char buffer[1 << 16] __attribute__((aligned(NLMSG_ALIGNTO)));
  // The default slack of 50 microseconds would be the largest error of all.
  prctl(PR_SET_TIMERSLACK, 1);
  srand48(getpid());
  open_queue();
  puts("ready");
  fflush(stdout);
  for (;;) {
    release_due();
    struct timespec wait, *until = NULL;
    if (first != NULL) {
      uint64_t now = now_ns(), left = first->due_ns > now ? first->due_ns - now : 0;
      wait = (struct timespec){left / 1000000000, left % 1000000000};
      until = &wait;
    }
    struct pollfd sources[] = {{netlink, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (ppoll(sources, 2, until, NULL) < 0 && errno != EINTR) fail("cannot wait");
    if (sources[1].revents != 0) {
      if (read(STDIN_FILENO, buffer, sizeof buffer) <= 0) return 0;
      report();
    }
    for (ssize_t size; (size = recv(netlink, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
      double due_ns = now_ns() + delay_ns + (drand48() * 2 - 1) * jitter_ns;
      int left = size;
      for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, left);
           header = NLMSG_NEXT(header, left))
        take(header, due_ns);
    }
  }
}
