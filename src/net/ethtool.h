/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rtnetlink does not know of a device: offloads and carrier. All act in the network namespace of the calling thread, and
 * fail with ENODEV if there is no device of that name. The two ends of a veth pair whose frames are to be those of a wire,
 * single and with their checksums, take one call each.
 */
#ifndef PROVIUM_NET_ETHTOOL_H
#define PROVIUM_NET_ETHTOOL_H

struct error;

/*
 * The node's end: nothing is left to the device but checksums. Programs may still segment (UDP_SEGMENT, which kernels before
 * 6.11 refuse on a device without checksum offload): the stack cuts the frames up before the device has them.
 */
int ethtool_single_frames(const char *name, struct error *err);

/* The switch's end: the kernel fills in the checksums that the sender's device left open before a frame leaves the port. */
int ethtool_fill_checksums(const char *name, struct error *err);

/*
 * Has the kernel do at once what follows from a carrier that came or went, and what it would else do a little later: until
 * then a device whose carrier came drops what it is to send.
 */
int ethtool_settle_carrier(const char *name, struct error *err);

#endif
