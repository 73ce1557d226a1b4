/* SPDX-License-Identifier: GPL-2.0-only */
/* Receive packet steering: which processor takes what a device has received. */
#ifndef PROVIUM_NET_RPS_H
#define PROVIUM_NET_RPS_H

struct error;

/*
 * Frames of the device that have the same hash are taken by the same processor, whichever they came on: so they stay in their
 * order. The device is one of the calling thread's network namespace. ENOENT if the kernel has no RPS.
 */
int rps_enable(const char *device, struct error *err);

#endif
