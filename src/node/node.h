/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node: a machine of the lab, whatever it is made of. The lab knows this interface alone; each kind implements it
 * (src/node/netns: a node without its own kernel, in namespaces; src/node/qemu: a virtual machine).
 */
#ifndef PROVIUM_NODE_NODE_H
#define PROVIUM_NODE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/address.h"
#include "net/link.h"
#include "net/neighbour.h"
#include "node/process.h"
#include "util/buffer.h"

struct error;
struct netlink;

/* A place of this machine that a namespace node sees, too: a file, or a folder and all that is mounted in it. */
struct node_bind {
	const char *host;  /* absolute */
	const char *guest; /* absolute, without "." or ".." or a slash too many, and not "/" */
	bool read_only;
};

#define NODE_ROOT_SHARED "shared" /* the machine's own file system */
#define NODE_ROOT_OWN	 "own"	  /* in a script: that above the machine's file system, whatever the profile says */

/*
 * What a node is to be like. The node copies what it keeps. All but the name may be 0 or NULL, which is the kind's own
 * default; a kind without its own kernel has no use for those of its boot.
 */
struct node_config {
	const char *name;
	uint64_t memory_bytes; /* without a kernel of its own: the most that it may use, 0: no limit; so with cpus */
	unsigned int cpus;
	const char *kernel, *initrd; /* of a direct boot; without them and without a disk: the built-in guest */
	const char *kernel_cmdline;  /* added to the kernel's own */
	/*
	 * An image, which is never written to. Without a kernel of its own: a folder in which what the node writes is kept while it
	 * lives, instead of in memory.
	 */
	const char *disk;
	const char *machine; /* QEMU's -machine */
	const char *accel;   /* "kvm", "tcg"; NULL: what works */
	bool no_agent;	     /* the guest has none: no commands, no files, no addresses */
	int kept_disk;	     /* what keep_disk() of the node's last life gave, 0 for none; stays the caller's */

	/* Without a kernel of its own alone: */

	/*
	 * NULL: its own writes above the machine's file system; NODE_ROOT_SHARED; else the absolute path of a root file system, or
	 * of an OCI layout, with ":TAG" behind it if a tag was named.
	 */
	const char *root;
	const struct node_bind
		*binds; /* sorted by guest, so that what is below another comes behind it; no guest twice */
	size_t bind_count;
	uint64_t pids;	    /* most processes and threads, 0: no limit */
	const char *folder; /* where commands start if nothing else is said, and it is there; NULL: / */
};

/* A namespace node: the machine's own file system. */
static inline bool node_shares_root(const struct node_config *config)
{
	return config->root && strcmp(config->root, NODE_ROOT_SHARED) == 0;
}

/* One network card, as the node's kind needs to know it. */
struct node_nic {
	const char *port_name;	 /* device name in the switch */
	const char *bridge_name; /* the guest may show it as a second name of the device */
	uint8_t mac[MAC_SIZE];
	struct address ip, ip6; /* family 0: none */
	uint32_t mtu;
	bool offload;	     /* keep segmentation and checksum offloads */
	int ifindex;	     /* of the port in the switch, set by plug() */
	char guest_name[16]; /* set by plug(): what the guest calls it, "" if that is not known */
};

/* A destination behind a gateway on the network card's subnet. */
struct node_route {
	struct address destination; /* prefix 0: the default route */
	struct address gateway;
};

struct node {
	const struct node_kind *kind;
};

struct node_kind {
	const char *name;
	bool shares_kernel;  /* it has `root`, `binds` and `pids`; and its `disk` is a folder */
	bool pause_silences; /* a paused node does not answer who asks for its addresses */

	/* Starts to boot, and returns before that is done, so that many nodes boot side by side. */
	int (*boot)(const struct node_config *config, struct netlink *switch_nl, struct node **node, struct error *err);
	/* Waits until the node can run commands. */
	int (*wait_ready)(struct node *node, uint64_t deadline_ns, struct error *err);
	/*
	 * Before close(), if the node is to come back: a descriptor of what it has written to its disk, or -1 if it has none. In
	 * good order, if it is still there: all is written that its programs have handed to the kernel. NULL: no disk of its own.
	 * A node whose boot has failed gives back what it was given.
	 */
	int (*keep_disk)(struct node *node, bool orderly);
	/* Closes what keep_disk() gave: the machine does not come back. NULL: close(2) is all there is to do. */
	void (*drop_disk)(int disk);
	/* Ends the node and all that runs in it, and frees it. */
	void (*close)(struct node *node);

	/* What is to be started once it has booted, as its image says; false: nothing. Lives as long as the node. NULL: never. */
	bool (*main)(const struct node *node, struct command *command);
	/* Why `memory` and `cpus` are not kept on this machine, NULL if they are. NULL: they always are. */
	const char *(*unkept)(const struct node *node);
	/* The folder of the cgroup of all that runs in it, which may be NULL. NULL: a kind that has a kernel of its own. */
	const char *(*cgroup)(const struct node *node);

	bool (*is_alive)(struct node *node);
	int (*pause)(struct node *node, struct error *err);
	int (*resume)(struct node *node, struct error *err);

	/*
	 * Makes a network card and its port in the switch. The port is left down and on no bridge; the node's end is
	 * configured and up, and waits for its carrier.
	 */
	int (*plug)(struct node *node, struct node_nic *nic, struct error *err);
	/* Removes both ends. */
	int (*unplug)(struct node *node, const struct node_nic *nic, struct error *err);
	/* What the guest sees: carrier, or none. The port must be on its bridge. */
	int (*set_link)(struct node *node, const struct node_nic *nic, bool up, struct error *err);

	/* Replaces the routes that the lab gave to this network card; the node's own stay. */
	int (*set_routes)(struct node *node, const struct node_nic *nic, const struct node_route *routes, size_t count,
			  struct error *err);

	/*
	 * What stood in the way of frames has gone: forgets the neighbours that the node has tried in vain to find on this network
	 * card, so that the next packet asks for them at once. NULL if the node's own kernel is out of reach.
	 */
	int (*forget_neighbours)(struct node *node, const struct node_nic *nic, const struct neighbour_choice *choice,
				 struct error *err);

	/* Replaces /etc/hosts of the node. */
	int (*set_hosts)(struct node *node, const char *text, struct error *err);
	/* Replaces /etc/resolv.conf of the node. */
	int (*set_resolver)(struct node *node, const char *text, struct error *err);
	int (*start)(struct node *node, const struct command *command, struct process **process, struct error *err);
	/* The process that a maintainer's tools can enter: init of a namespace node. */
	int (*pid)(const struct node *node);
	/* The last of what the guest printed, until the next call. */
	const char *(*console)(struct node *node);
	/* How much it had printed in all when console() was called last, of which that text is the end. NULL: it has none. */
	uint64_t (*console_printed)(struct node *node);
	/* Types on it. NULL as above. */
	int (*console_write)(struct node *node, const void *data, size_t size, uint64_t deadline_ns, struct error *err);

	/*
	 * The whole state of the node to an empty file, and back again from its beginning. Network cards stay as they are attached
	 * now. NULL for a kind that cannot. A node has ended if its restore fails in the middle of the state, but not if what
	 * comes before that is refused.
	 */
	int (*snapshot)(struct node *node, int file, struct error *err);
	int (*restore)(struct node *node, int file, struct error *err);
};

extern const struct node_kind node_kind_netns;
extern const struct node_kind node_kind_qemu;

#endif
