/* SPDX-License-Identifier: GPL-2.0-only */
/* The port of a guest's network card in the switch. It lives as long as a descriptor of it is open, here or in QEMU. */
#ifndef PROVIUM_NODE_QEMU_TAP_H
#define PROVIUM_NODE_QEMU_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Makes the device in the network namespace of the calling thread, down. Returns its descriptor, or -errno. */
int tap_open(const char *name, uint32_t mtu, bool offload, struct error *err);

#endif
