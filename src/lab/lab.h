/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model that scripts work on: labs hold machines (the script's "nodes") and bridges; a member is the place of a name
 * on a bridge, with its NIC. Machines and bridges outlive their lab as closed shells for as long as a script refers to
 * them (see *_ref and *_unref), so that using one later is an error and not a crash.
 *
 * Errors carry what a script's author should read; nothing has changed when a call fails.
 */
#ifndef PROVIUM_LAB_LAB_H
#define PROVIUM_LAB_LAB_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/link.h"
#include "node/node.h"
#include "util/clock.h"

#include <provium/wire.h>

struct bridge;
struct error;
struct machine;
struct run;

#define NAME_LIMIT	   32
#define ROUTER_NAME	   "router"
#define BRIDGE_MAX_MEMBERS 1023 /* ports of a Linux bridge: BR_PORT_BITS in net/bridge/br_private.h */

enum machine_state {
	MACHINE_CREATED,
	MACHINE_BOOTING,
	MACHINE_BOOTED,
	MACHINE_PAUSED,
	MACHINE_SHUTDOWN,
	MACHINE_DEAD,
};

/* A kind of node, and what machines of it are like unless their options say otherwise. Lives as long as the run. */
struct machine_profile {
	const struct node_kind *kind;
	struct node_config config; /* without a name */
};

/* What a script says in place of the profile. 0 or NULL: not given. */
struct machine_options {
	uint64_t memory_bytes;
	unsigned int cpus;
	char *kernel_cmdline;
	struct machine_file {
		char *path, *content;
		size_t size;
		unsigned int mode; /* permissions; 0: as the node makes them */
	} * files;
	size_t file_count;
	char *root, *disk;	 /* see struct node_config */
	struct node_bind *binds; /* NULL: not given; its strings are allocated */
	size_t bind_count;
	uint64_t pids;
};

struct machine {
	int refs;
	unsigned int holders; /* labs that have it; closed when none is left */
	unsigned int depth;   /* of the scope that it belongs to */
	char name[NAME_LIMIT + 1];
	char *profile; /* as the script named it */
	const struct node_kind *kind;
	struct node_config defaults; /* the profile's */
	struct machine_options options;
	enum machine_state state;
	struct node *node; /* NULL unless booting, booted or paused */
	uint64_t started;  /* its process, see proc_started(); 0: that is not known */
	int kept_disk;	   /* of the last life, 0 for none */
	struct lab *home;  /* the lab that made it, NULL once closed */
	struct run *run;
};

/* The place of a name on a bridge. It stays, with its port number, when the machine is detached. */
struct member {
	struct bridge *bridge;
	char name[NAME_LIMIT + 1];
	uint16_t port;
	bool router; /* the place of the lab's router: port 1, see router.h */
	bool attached;
	bool was_meant;	  /* it has been attached */
	bool is_expected; /* a rule or a filter names it, of the scope of this depth: */
	unsigned int expected_depth;
	bool disconnected;	 /* nic:disconnect() */
	struct machine *machine; /* NULL for a bare name */
	bool plugged;		 /* the machine is up and the port exists */
	bool mute;		 /* its port learns no addresses: see medium.c */
	struct node_nic nic;
	char port_name[IFNAMSIZ];
};

struct bridge_options {
	const char *subnet, *subnet6; /* NULL: given out by the run */
	uint32_t mtu;		      /* 0: 1500 */
	bool offload;
};

/* Of the host, that nodes of a bridge reach by its uplink. */
struct host_ports {
	uint16_t first, last;
	bool udp; /* else TCP */
};

struct bridge {
	int refs;
	unsigned int holders;
	unsigned int depth;
	bool closed;
	char name[NAME_LIMIT + 1];
	struct lab *home;
	struct run *run;
	uint32_t number; /* in the keys of the wire maps */
	struct address subnet, subnet6;
	unsigned int subnet_number; /* of the run, 0 if there was none left and both subnets came from the script */
	uint32_t mtu;
	uint32_t flush; /* how often it was flushed */
	bool offload;
	bool default_options;
	int ifindex; /* 0 until the first member boots */
	char device[IFNAMSIZ];
	struct member **members; /* in the order of their port numbers, which count from 1; the first is the router's */
	size_t member_count;
	unsigned int port_count; /* of those that are plugged */
	struct host_ports *host_ports;
	size_t host_port_count;
	unsigned int uplink_host; /* its number on the uplink's link while it has one: see router_internal.h */
};

struct lab {
	char name[NAME_LIMIT + 1]; /* "" for the lab of the file */
	struct run *run;
	unsigned int depth;	/* of nested scopes: 0 for the file, 1 in a test */
	unsigned int own_depth; /* of the scope that a sub-lab belongs to */
	struct lab *parent;	/* one of those that hold it */
	unsigned int holders;
	struct machine **machines;
	size_t machine_count;
	struct bridge **bridges;
	size_t bridge_count;
	struct lab **labs;
	size_t lab_count;
	int refs;
	bool closed;
	/* What a profile is, or an error that names those that there are. Set by who knows the configuration. */
	int (*find_profile)(void *context, const char *name, const struct machine_profile **profile, struct error *err);
	void *profile_context;
};

/* lab.c: labs, names, scopes */

struct lab *lab_new(struct run *run);
void lab_ref(struct lab *lab);
void lab_unref(struct lab *lab);
/* Closes all it holds, the youngest first. Safe twice. */
void lab_close(struct lab *lab);

/* What is created from here on belongs to a new scope; lab_end_scope() closes it. Sub-labs follow. */
void lab_begin_scope(struct lab *lab);
void lab_end_scope(struct lab *lab);

/* A new sub-lab, or the one of that name; without a name always a new one. */
int lab_sub(struct lab *lab, const char *name, struct lab **result, struct error *err);

/* The one that holds all others. */
struct lab *lab_root(struct lab *lab);
/* NULL if there is none. */
struct machine *lab_find_machine(const struct lab *lab, const char *name);
struct bridge *lab_find_bridge(const struct lab *lab, const char *name);
struct lab *lab_find_sub(const struct lab *lab, const char *name);

/* Those of the lab and of all below it, each once. Returns how many; the array is the caller's to free. */
size_t lab_machines(const struct lab *lab, struct machine ***machines);

/* Letters, digits, "-" and "_", up to 32, a host's name, and none of the few words that are reserved. */
int lab_check_name(const char *name, struct error *err);
/* The same, and free in this lab. */
int lab_check_new_name(const struct lab *lab, const char *kind, const char *name, unsigned int existing_depth,
		       bool exists, struct error *err);

int lab_include_machine(struct lab *lab, struct machine *machine, struct error *err);
int lab_include_bridge(struct lab *lab, struct bridge *bridge, struct error *err);
int lab_include_lab(struct lab *lab, struct lab *other, struct error *err);
/* What no lab holds any more is closed. */
int lab_remove_machine(struct lab *lab, struct machine *machine, struct error *err);
int lab_remove_bridge(struct lab *lab, struct bridge *bridge, struct error *err);
int lab_remove_lab(struct lab *lab, struct lab *other, struct error *err);

/* hosts.c: writes every machine's /etc/hosts anew, all labs, and publishes the registry. */
void lab_refresh(struct lab *lab);

/* machine.c */

int machine_new(struct lab *lab, const char *name, const char *profile, const struct machine_options *options,
		struct machine **result, struct error *err); /* takes the options over */
void machine_options_free(struct machine_options *options);
void machine_ref(struct machine *machine);
void machine_unref(struct machine *machine);
void machine_close(struct machine *machine);

/* Looks whether the node still lives. */
enum machine_state machine_state(struct machine *machine);
/* Not booted yet, shut down, or dead: it can be booted. */
bool machine_is_down(struct machine *machine);
const char *machine_state_name(enum machine_state state);

/* For a boot, if nothing else is said: several guests, without KVM, on a machine that is busy with other things. */
#define MACHINE_BOOT_NS (300 * NS_PER_S)

/* Boots all of them side by side; if one fails, the others are ended again. The deadline is for all. */
int machines_boot(struct machine **machines, size_t count, uint64_t deadline_ns, struct error *err);
/*
 * The same for one, with options on top of those that it has; they are taken over, and kept if it boots. A machine that was
 * shut down, or died, is the same when it boots again: places, addresses, rules, and what is on its disk.
 */
int machine_boot(struct machine *machine, struct machine_options *options, uint64_t deadline_ns, struct error *err);
/* Ends a booted one and boots it. In good order, or as by the reset button. */
int machine_reboot(struct machine *machine, bool orderly, struct machine_options *options, uint64_t deadline_ns,
		   struct error *err);
/* Ends all of them at once, whatever state they are in, such that they can boot again. */
void machines_shutdown(struct machine **machines, size_t count);
/* The same for machines that are about to be closed. */
void machines_end(struct machine **machines, size_t count);
int machine_pause(struct machine *machine, struct error *err);
int machine_resume(struct machine *machine, struct error *err);
/* Those of them that are booted, or paused; if one fails, the others are as they were. */
int machines_pause(struct machine **machines, size_t count, struct error *err);
int machines_resume(struct machine **machines, size_t count, struct error *err);
/* It answers again, after a time in which its kernel did not run: see heal.h. */
void machine_heal(struct machine *machine);
/* snapshot.c: not while a capture is open on a bridge of the machine. */
int machine_snapshot(struct machine *machine, int file, struct error *err);
int machine_restore(struct machine *machine, int file, struct error *err);
/* An error that says in what state the machine is and what to do, unless it is booted. `what` as in "cannot run". */
int machine_need_booted(struct machine *machine, const char *what, struct error *err);

/* Its attached places, sorted by the names of the bridges. Returns how many; the array is the caller's to free. */
size_t machine_members(const struct machine *machine, struct member ***members);

/* bridge.c */

int bridge_new(struct lab *lab, const char *name, const struct bridge_options *options, struct bridge **result,
	       struct error *err);
void bridge_ref(struct bridge *bridge);
void bridge_unref(struct bridge *bridge);
void bridge_close(struct bridge *bridge);
/* What is held on it never arrives; links with a rate begin anew, as nothing waits for them any more. */
void bridge_flush(struct bridge *bridge);

/* Whom a script means: a machine, or a bare name. */
struct party {
	struct machine *machine; /* or NULL */
	const char *name;
};

/* member.c */

/*
 * The address of the card at that port, of 1 to 1,023: locally administered, the same in every run, and none that any other
 * bridge or port of the run has.
 */
void member_mac(uint32_t bridge, uint16_t port, uint8_t mac[static MAC_SIZE]);
/* Gives out the next port number. The name must be new. */
struct member *bridge_add_place(struct bridge *bridge, const char *name);
/* The place of that name, whether attached or not; NULL if the bridge never heard of it. */
struct member *bridge_find(const struct bridge *bridge, const char *name);
/* The same, made if need be: this is what gives out port numbers. NULL and an error when there are too many. */
struct member *bridge_place(struct bridge *bridge, const char *name, struct error *err);
/* Something is said about it that would mean nobody if it is never attached: see strangers.h. */
void member_expect(struct member *member);
/* Both, for a rule or a filter. */
struct member *bridge_expect(struct bridge *bridge, const char *name, struct error *err);
/* Takes back the places that were given out since there were so many, by a call that failed. */
void bridge_drop_places(struct bridge *bridge, size_t count);
/* Attached, or an error that points at bridge:attach. */
struct member *bridge_attached(struct bridge *bridge, const char *name, struct error *err);

/* All or none. On failure *bad is the index of the party that could not be attached. */
int bridge_attach(struct bridge *bridge, const struct party *parties, size_t count, size_t *bad, struct error *err);
/* A device of the host, under a name on the bridge: see node/device.h. */
int bridge_attach_device(struct bridge *bridge, const char *device, const char *name, struct error *err);
/* Nothing to be done for who is not attached. */
int bridge_detach(struct bridge *bridge, const char *name, struct error *err);
/* A machine was created: it takes the place that a bare name has reserved for it. */
void bridge_adopt(struct bridge *bridge, struct machine *machine);

/* Puts the port of a booted machine in place, and takes it away. */
int member_plug(struct member *member, struct error *err);
void member_unplug(struct member *member);
/* The same when its device is gone already. */
void member_unplugged(struct member *member);
/* Whether a device of the host has this place. */
bool member_is_device(const struct member *member);
/* Off the bridge, with the rules that are about it. */
void member_detach(struct member *member);

/* nic.c */

struct nic_counters {
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, errors; /* seen from the guest */
	uint64_t dropped[WIRE_VERDICTS];			     /* on the way to it and from it */
};
int nic_counters(struct member *member, struct nic_counters *counters, struct error *err);
int nic_set_link(struct member *member, bool up, struct error *err);

#endif
