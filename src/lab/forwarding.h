/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IPv4 forwarding of a device of the host: switched on while a run needs it, and back when the last run that did lets go of
 * it, however many there are side by side. A run that is killed cannot switch back: the next run does, and `provium doctor`
 * tells.
 *
 * How: a file in FORWARDING_FOLDER, named after the network namespace and the device, says that provium switched it on.
 * Who needs it holds a shared lock on the file, which the kernel drops with the process. Who lets go tries for the
 * exclusive lock: only the last gets it, switches back and removes the file.
 */
#ifndef PROVIUM_LAB_FORWARDING_H
#define PROVIUM_LAB_FORWARDING_H

#include <stdbool.h>

struct error;

#define FORWARDING_FOLDER "/run/provium"

struct forwarding {
	int lock; /* -1: it was on anyhow, nothing to hold */
	char device[16];
	char path[96];
};

/* Both act in the network namespace of the calling thread. */
int forwarding_hold(struct forwarding *forwarding, const char *device, struct error *err);
void forwarding_release(struct forwarding *forwarding);

/* Calls each() for every device of this namespace that a killed run left forwarding. */
void forwarding_each_left(void (*each)(const char *device, void *context), void *context);

#endif
