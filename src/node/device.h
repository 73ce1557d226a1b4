/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of the host as a node of the lab: another hypervisor's TAP, a physical port. What is behind it is not ours: it runs
 * no commands and gets no addresses. The device moves into the switch when it is plugged, and back when it is unplugged,
 * by a process that also sees to it when the run is killed.
 */
#ifndef PROVIUM_NODE_DEVICE_H
#define PROVIUM_NODE_DEVICE_H

#include "node/node.h"

/*
 * name: of the device in the network namespace `host`, which the caller keeps open. An error if it is not there, or if the
 * host uses it: as a port of a bridge, or with an address. Nothing is changed yet.
 */
int device_open(const char *name, int host, struct netlink *switch_nl, struct node **node, struct error *err);

extern const struct node_kind node_kind_device;

#endif
