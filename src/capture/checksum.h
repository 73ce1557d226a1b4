/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A namespace node leaves the checksums of TCP and UDP to its card, as real machines do, and the switch fills them in where
 * the frame leaves its port (net/ethtool.h). A capture sees the frame before that, and shows it as the wire has it.
 */
#ifndef PROVIUM_CAPTURE_CHECKSUM_H
#define PROVIUM_CAPTURE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Fills in the checksum that is left open in a whole Ethernet frame, if there is one: within VLAN tags, IP in IP and VXLAN
 * too. One that is left open holds the sum of the pseudo-header; any other, right or wrong, stays as it is. (A wrong one
 * looks like that one time in 65,536.)
 */
void checksum_fill(uint8_t *frame, size_t size);

#endif
