/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices: bridges, veth pairs, their state and counters. Interfaces are named by their index. */
#ifndef PROVIUM_NET_LINK_H
#define PROVIUM_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct netlink;

#define MAC_SIZE      6
#define MAC_TEXT_SIZE 18

/* "02:70:76:01:00:01". The buffer belongs to the caller. */
const char *mac_text(const uint8_t mac[static MAC_SIZE], char text[static MAC_TEXT_SIZE]);

struct link_counters {
	uint64_t rx_bytes, tx_bytes;
	uint64_t rx_packets, tx_packets;
	uint64_t errors;  /* both directions */
	uint64_t dropped; /* both directions, by the device or its queue */
};

struct veth {
	/* This end, in the namespace of nl, down. */
	const char *name;
	/* The other end, in the namespace of the process peer_pid, down. */
	int peer_pid;
	const char *peer_name;
	uint8_t peer_mac[MAC_SIZE];
	uint32_t mtu, peer_mtu;
};

/*
 * A bridge that behaves as a cable or a dumb switch: no spanning tree, no forward delay, no multicast snooping,
 * link-local groups (01:80:c2:00:00:0x, but for the three that the kernel keeps) forwarded. It is up.
 */
int link_create_bridge(struct netlink *nl, const char *name, uint32_t mtu, struct error *err);
int link_create_veth(struct netlink *nl, const struct veth *veth, struct error *err);
int link_delete(struct netlink *nl, int ifindex, struct error *err);
/* The same for many, in the time that one takes. Those that are gone already are no error. */
int link_delete_many(struct netlink *nl, const int *ifindexes, size_t count, struct error *err);

/* The index of the device of that name; an error with ENODEV if there is none. */
int link_index(struct netlink *nl, const char *name, int *ifindex, struct error *err);

/* The name of the device; the buffer is IFNAMSIZ bytes. */
int link_name(struct netlink *nl, int ifindex, char name[static 16], struct error *err);

struct link_state {
	char name[16]; /* the first of its names */
	int ifindex;
	int master; /* the bridge or the like that it is a port of, 0 for none */
	uint32_t mtu;
	bool up, loopback;
};

/* As link_index(), with more. The name may be one of its others. */
int link_look(struct netlink *nl, const char *name, struct link_state *state, struct error *err);

/* A device in the same namespace that is made on top of it, such as a VLAN; "" if there is none. */
int link_find_upper(struct netlink *nl, int ifindex, char name[static 16], struct error *err);

/*
 * Moves a device to the network namespace behind net_fd, under a name that is free there. It is down then, has left its bridge,
 * lost its addresses and qdiscs, and has the wanted index there (EBUSY: that is taken); if that is 0 it keeps its own where it can.
 */
int link_move(struct netlink *nl, int ifindex, int net_fd, const char *name, int wanted, struct error *err);
/* The device must be down. EEXIST: the name is taken. */
int link_rename(struct netlink *nl, int ifindex, const char *name, struct error *err);

int link_set_up(struct netlink *nl, int ifindex, bool up, struct error *err);
/* bridge 0 takes the device out of its bridge. */
int link_set_master(struct netlink *nl, int ifindex, int bridge, struct error *err);
/* Whether the bridge notes by which addresses frames come in here, to send there what is for them. */
int link_set_learning(struct netlink *nl, int ifindex, bool learning, struct error *err);
/* Offload frames are sent in one piece, however large. EINVAL: this kernel knows none of more than 64 KB. */
int link_carry_big(struct netlink *nl, int ifindex, struct error *err);
/* A note that `ip link` shows beside the device. */
int link_set_alias(struct netlink *nl, int ifindex, const char *alias, struct error *err);
/* A second name, of up to 127 characters. */
int link_add_altname(struct netlink *nl, int ifindex, const char *name, struct error *err);

int link_counters(struct netlink *nl, int ifindex, struct link_counters *counters, struct error *err);

#endif
