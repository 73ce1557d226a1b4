/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The path of a frame: who sent it, who is about to get it, and what the links between them come to. That changes with
 * the rules and not with the frame, so each CPU keeps the paths that it used last, each good for one epoch.
 */
#ifndef PROVIUM_BPF_PATH_H
#define PROVIUM_BPF_PATH_H

#include "cut.h"
#include "dice.h"
#include "maps.h"

#define PATH_TRIES 64

static __always_inline struct wire_rule *find_rule(const struct wire_key *key)
{
	void *more;

	if (!more_rules || !needs_more(key->bridge, key->from, key->to))
		return bpf_map_lookup_elem(&links, key);
	more = find_more(&links_more);
	return more ? bpf_map_lookup_elem(more, key) : NULL;
}

static __always_inline struct wire_link *find_link_room(__u32 hop)
{
	return bpf_map_lookup_elem(&link_rooms, &hop);
}

/* Global, so that the verifier looks at it once, by itself: see capture.h. */
__noinline int read_link(__u32 hop, __u32 bridge, __u16 from, __u16 to, __u64 epoch)
{
	const struct wire_key key = { .bridge = bridge, .from = from, .to = to };
	struct wire_rule *rule = find_rule(&key);
	struct wire_link *link;

	if (!rule)
		return 0;
	link = find_link_room(hop);
	if (!link)
		return 0;
	bpf_spin_lock(&rule->lock);
	*link = epoch >= rule->since ? rule->link : rule->before;
	bpf_spin_unlock(&rule->lock);
	return 0;
}

/* The key of one of the links of a pair: {bridge, a, 0}, {bridge, 0, 0}, {bridge, a, b}, {bridge, 0, b}. */
static __always_inline struct wire_key hop_key(const struct wire_key *pair, enum wire_hop hop)
{
	struct wire_key key = { .bridge = pair->bridge };

	if (hop == WIRE_ACCESS_OUT || hop == WIRE_PAIR)
		key.from = pair->from;
	if (hop == WIRE_PAIR || hop == WIRE_ACCESS_IN)
		key.to = pair->to;
	return key;
}

static __always_inline void add_link(struct path *path, enum wire_hop hop, __u64 seed, __u64 sender,
				     struct wire_link *link)
{
	bool of_sender = hop == WIRE_ACCESS_OUT || hop == WIRE_PAIR;
	bool of_receiver = hop == WIRE_PAIR || hop == WIRE_ACCESS_IN;
	struct wire_key key = hop_key(&path->pair, hop);

	/* A frame of the switch itself has none of these ({bridge, 0, b} is b's access link), and one that enters no receiver. */
	if ((of_sender && !path->pair.from) || (of_receiver && !path->pair.to))
		return;
	read_link(hop, key.bridge, key.from, key.to, path->epoch);
	path->crossings[hop] = (struct crossing){
		.dice = splitmix64(splitmix64(seed ^ link->salt) ^ sender),
		.loss_ppb = link->loss_ppb,
		.rate_bps = link->rate_bps,
		.queue_ns = link->queue_ns,
		.clock = link->clock,
		.generation = link->generation,
	};
	path->holds |= link->delay_ns || link->rate_bps;
	path->rolls |= (link->loss_ppb != 0) << hop;
	path->delay_ns += link->delay_ns;
	path->flow = splitmix64(path->flow ^ link->generation);
}

/*
 * The sender is the port by which the frame entered the bridge. The kernel keeps that index, in flooded copies too, and
 * no guest can forge it. A frame without one comes from the switch namespace itself: from = 0. Returns a number from the
 * sender's name.
 */
static __always_inline __u64 read_ends(struct path *path, bool *router, bool *out)
{
	const struct wire_port *to = bpf_map_lookup_elem(&ports, &path->to_index);
	const struct wire_port *from = bpf_map_lookup_elem(&ports, &path->from_index);

	if (to) {
		path->pair.bridge = to->bridge;
		path->pair.to = to->port;
		path->mtu = to->mtu;
		path->flush = to->flush;
		*router = to->router;
		*out = to->out;
	}
	if (!from || (path->to_index && (!to || from->bridge != to->bridge)))
		return 0;
	path->pair.bridge = from->bridge;
	path->pair.from = from->port;
	path->flush = from->flush;
	*router |= from->router;
	return from->salt;
}

/* Global, so that the verifier looks at it once, by itself: see capture.h. */
__noinline int read_path(__u32 place, __u64 epoch)
{
	__u32 zero = 0;
	const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	struct path *path = bpf_map_lookup_elem(&paths, &place);
	struct wire_link *link[WIRE_HOPS];
	bool router = false, out = false;
	__u64 sender;

	if (!global || !path)
		return 0;
	*path = (struct path){ .epoch = epoch, .to_index = path->to_index, .from_index = path->from_index };
	sender = read_ends(path, &router, &out);
	if (!path->pair.bridge)
		return 0;
	path->seeding = (__u8)global->seeding;
	/* Above the generation, which is mixed in next: 1 with generation 2 is not 2 with generation 1. */
	path->flow = splitmix64((__u64)path->flush << 32 | path->to_index) ^ (__u64)path->pair.from << 32;
#pragma unroll
	for (int hop = 0; hop < WIRE_HOPS; hop++) {
		link[hop] = find_link_room(hop);
		if (!link[hop])
			return 0;
		*link[hop] = (struct wire_link){ 0 };
		add_link(path, hop, global->seed, sender, link[hop]);
	}
	path->cut = cut_by(link, path->pair.from && !router);
	if (out && path->cut == WIRE_DELIVERED)
		path->cut = WIRE_DISCONNECTED;
	path->uses_medium = uses_medium(link, router);
	return 0;
}

/* With everything that is read after it at least as new. */
static __always_inline __u64 read_epoch(struct wire_control *global)
{
	return __sync_fetch_and_add(&global->epoch, 0);
}

/*
 * Rules change while they are read, and the kernel uses the memory of a deleted element again at once. So what was read
 * counts if the epoch has not moved meanwhile: see wire_commit(). A processor of a virtual machine may be taken away in
 * the midst of each of some tries; of so many it is not.
 */
static __always_inline void renew_path(struct wire_control *global, __u32 place)
{
	__u64 epoch = read_epoch(global), before;

	for (int tries = 0; tries < PATH_TRIES; tries++) {
		read_path(place, epoch);
		before = epoch;
		epoch = read_epoch(global);
		if (epoch == before)
			break;
	}
}

/* From a device to a device; to = 0 where the frame enters the bridge. NULL if the device is no port. */
static __always_inline const struct path *find_path(__u32 from_index, __u32 to_index)
{
	__u32 zero = 0;
	__u32 place = (to_index * PATHS_A_PORT + from_index) % PATHS;
	struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	struct path *path = bpf_map_lookup_elem(&paths, &place);

	if (!global || !path)
		return NULL;
	if (path->epoch != *(volatile __u64 *)&global->epoch || path->to_index != to_index ||
	    path->from_index != from_index) {
		path->to_index = to_index;
		path->from_index = from_index;
		renew_path(global, place);
	}
	return path->pair.bridge ? path : NULL;
}

#endif
