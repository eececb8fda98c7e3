#ifndef SCOUT_DEPARTURES_H
#define SCOUT_DEPARTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "records.h"
#include "time_line.h"

/*
 * Matches stamps to packets. The kernel counts the packets of a socket (SOF_TIMESTAMPING_OPT_ID) and puts the
 * number on the stamp; we keep the same count. Whether a send that failed was counted depends on where it failed and on the
 * kernel (before 6.9 __ip_append_data counts first and checks then), so after a failure the kernel's counter is set back
 * to zero by turning the option off and on (net/core/sock.c, sock_set_timestamping), and ours with it. Stamps of packets
 * counted before are told apart by their time: no stamp is older than the handing over of its packet.
 */
struct departures {
  struct departure *ring;
  uint32_t *kernel_ids; /* as many as the ring has places */
  uint32_t places;
  uint64_t count;       /* packets handed over: the next ticket */
  uint32_t next_kernel_id;
};

void departures_start(struct departures *departures, struct departure *ring, uint32_t *kernel_ids, uint32_t places);

/* Records a packet that the kernel accepted, and returns its ticket. */
uint64_t departures_add(struct departures *departures, const struct time_line *line, int64_t handed_ns);

/* Records the kernel's stamp of packet `kernel_id`. */
void departures_stamp(struct departures *departures, const struct time_line *line, uint32_t kernel_id, int64_t left_ns);

/* Returns when the packet of this ticket left; NULL once so many more packets were sent that its place was taken. */
const struct departure *departures_find(const struct departures *departures, uint64_t ticket);

/* Records that the kernel's counter is back at zero. */
void departures_restart(struct departures *departures);

#endif
