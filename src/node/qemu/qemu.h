/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/node/qemu alone. */
#ifndef PROVIUM_NODE_QEMU_H
#define PROVIUM_NODE_QEMU_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/node.h"
#include "node/qemu/agent.h"
#include "node/qemu/console.h"
#include "node/qemu/image.h"
#include "node/qemu/qmp.h"
#include "node/qemu/spawn.h"
#include "util/clock.h"

/* What takes a guest milliseconds may take it this long, and longer if it is found to be slow. */
#define GUEST_NS       (20 * NS_PER_S)
#define GUEST_LIMIT_NS (180 * NS_PER_S)

struct qemu_process;

/* A network card of the guest, and what the lab wants to be set on it. */
struct qemu_nic {
	char id[24];	   /* of the device in QEMU: QEMU_NIC_ID; that of its backend has "-tap" behind it */
	unsigned int slot; /* where it is plugged: see QEMU_FIRST_SLOT */
	int tap;
	struct node_nic wanted; /* a copy; its strings are these: */
	char port_name[IFNAMSIZ];
	char *bridge_name;
	char guest_name[IFNAMSIZ];
	bool link_up;
	bool configured; /* the guest has its addresses */
	char *routes;	 /* of a script that sets them, NULL if nothing is to be done */
};

struct qemu_node {
	struct node node; /* first: a struct node is cast to this */
	char *name;
	struct netlink *switch_nl; /* the lab's */

	/* What it was booted from, kept for restore(). */
	uint64_t memory_bytes;
	unsigned int cpus;
	char *machine, *cmdline;
	bool kvm;
	struct image image;

	struct child child;
	struct console *console;
	struct qmp qmp;
	bool has_agent;
	struct agent agent;
	char folder[16]; /* in the guest, for files of ours */
	unsigned int last_file;
	bool ready;	      /* it runs commands; until then, settings of the guest wait */
	uint64_t patience_ns; /* see guest_deadline() */
	bool paused;
	char *shutdown_reason; /* as QEMU named it, once it told */

	struct qemu_nic **nics;
	size_t nic_count;
	unsigned int last_nic;
	uint32_t slots;			/* a bit for each that a device is in */
	char *hosts, *resolver;		/* still to be written; NULL if not */
	struct qemu_process *processes; /* that have not been closed yet */
	uint64_t quickest_ns;		/* how long the quickest command took */
};

/* launch.c: starts QEMU for the node, to boot or to wait for a state that comes in (restore). */
int qemu_launch(struct qemu_node *node, bool incoming, struct error *err);
/* Ends it. All devices of it are gone then. */
void qemu_land(struct qemu_node *node);

/* options.c */
/* How every QEMU begins: the program, and that it has nothing but what is asked for. */
void qemu_add_basics(struct arguments *arguments);
void qemu_options(const struct qemu_node *node, int qmp_fd, int agent_fd, int console_fd, bool incoming,
		  struct arguments *arguments);
/* Slots for network cards are numbered from here; how many there are depends on the machine. */
#define QEMU_FIRST_SLOT 5U
#define QEMU_SLOT_END	32U
#define QEMU_NIC_ID	"nic%u-slot%u" /* a number that is never used again, and the slot */
/* The slot in the id of a card. False for what is no id of ours. */
bool qemu_nic_slot(const char *id, unsigned int *slot);
/* Whether the machine has PCI Express, whose bus takes new devices only in ports made for that. */
bool qemu_has_ports(const struct qemu_node *node);
#define QEMU_PORTS 16U

/* state.c */
/* What the error of a failed exchange means, if it means that the guest or QEMU has ended. Returns -err->code. */
int qemu_explain(struct qemu_node *node, struct error *err);
void qemu_on_event(void *context, const char *name, const json_t *data);
int qemu_stop(struct qemu_node *node, struct error *err);
int qemu_continue(struct qemu_node *node, struct error *err);

/* guest.c: settings of the guest, by its agent. */
int guest_prepare(struct qemu_node *node, uint64_t deadline_ns, struct error *err);
/* Until when it may take for something that is quickly done: under emulation in emulation, a guest is a hundred times slower. */
uint64_t guest_deadline(const struct qemu_node *node);
/* Makes up for all settings that had to wait. */
int guest_settle(struct qemu_node *node, uint64_t deadline_ns, struct error *err);
/* Whether the guest can be asked for something now. */
bool guest_listens(const struct qemu_node *node);
/* The same, and that it answered when it was asked last. */
bool guest_answers(const struct qemu_node *node);
int guest_set_hosts(struct node *base, const char *text, struct error *err);
int guest_set_resolver(struct node *base, const char *text, struct error *err);

/* guest_nic.c */
int guest_configure_nic(struct qemu_node *node, struct qemu_nic *nic, uint64_t deadline_ns, struct error *err);
int guest_write_routes(struct qemu_node *node, struct qemu_nic *nic, uint64_t deadline_ns, struct error *err);
/* Waits until the guest has seen what became of its cable. Not for long, and not if it is not there to be asked. */
void guest_await_carrier(struct qemu_node *node, const struct qemu_nic *nic);
int guest_forget_neighbours(struct qemu_node *node, const struct qemu_nic *nic, const struct neighbour_choice *choice,
			    struct error *err);
/* The commands that set routes, for a shell in which $1 is the device. */
char *guest_routes_script(const struct node_route *routes, size_t count);

/* nic.c */
int qemu_plug(struct node *base, struct node_nic *nic, struct error *err);
int qemu_unplug(struct node *base, const struct node_nic *nic, struct error *err);
int qemu_set_link(struct node *base, const struct node_nic *nic, bool up, struct error *err);
int qemu_set_routes(struct node *base, const struct node_nic *nic, const struct node_route *routes, size_t count,
		    struct error *err);
int qemu_forget_neighbours(struct node *base, const struct node_nic *nic, const struct neighbour_choice *choice,
			   struct error *err);
/* Puts the card into the guest, whose QEMU must be there. */
int qemu_insert_nic(struct qemu_node *node, struct qemu_nic *nic, struct error *err);
/* The same without a backend, for a card that a restored guest still has: qemu_remove_device() takes it away. */
int qemu_insert_empty_nic(struct qemu_node *node, const struct qemu_nic *nic, struct error *err);
/* Gives the card a new name and a place that is free. */
int qemu_place_nic(struct qemu_node *node, struct qemu_nic *nic, struct error *err);
int qemu_tell_link(struct qemu_node *node, const struct qemu_nic *nic, struct error *err);
/* Takes a device, and its backend, out. Within a limit, whatever the guest does. */
int qemu_remove_device(struct qemu_node *node, const char *id, struct error *err);
void qemu_free_nics(struct qemu_node *node);

/* process.c */
int qemu_start(struct node *base, const struct command *command, struct process **process, struct error *err);
/* Runs a script of ours in the guest to its end. $1 and so on are `arguments`, which end with NULL. */
int qemu_run_script(struct qemu_node *node, const char *script, const char *const *arguments, struct buffer *out,
		    uint64_t deadline_ns, struct error *err);
/* The guest ends, but its processes are still referred to. cause: as in "was shut down", if it did not end by itself. */
void qemu_orphan_processes(struct qemu_node *node, const char *cause);

/* snapshot.c */
int qemu_snapshot(struct node *base, int file, struct error *err);
int qemu_restore(struct node *base, int file, struct error *err);

#endif
