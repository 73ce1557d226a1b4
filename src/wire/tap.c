// SPDX-License-Identifier: GPL-2.0-only
#include "wire/tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

#define CAPTURES_SIZE (WIRE_MAX_CAPTURES * sizeof(struct wire_capture))

/* A place is free if nobody has it, or if who had it was killed. Pids are what runs of other users can see, too. */
static bool claim(__u32 *owner)
{
	uint32_t was = __atomic_load_n(owner, __ATOMIC_ACQUIRE);

	if (was && (kill((pid_t)was, 0) == 0 || errno != ESRCH))
		return false;
	return __atomic_compare_exchange_n(owner, &was, (uint32_t)getpid(), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void release(__u32 *owner)
{
	__atomic_store_n(owner, 0, __ATOMIC_RELEASE);
}

static void set_bits(__u32 *bits, uint32_t mask)
{
	__atomic_or_fetch(bits, mask, __ATOMIC_SEQ_CST);
}

static void clear_bits(__u32 *bits, uint32_t mask)
{
	__atomic_and_fetch(bits, ~mask, __ATOMIC_SEQ_CST);
}

static __u32 *place_of(const struct wire_tap *tap, uint32_t bridge)
{
	return &tap->control->captures[bridge % WIRE_CAPTURE_PLACES];
}

/* Wherever they are: of one who was killed, nobody knows. */
static void shut(struct wire_tap *tap, uint32_t mask)
{
	for (uint32_t i = 0; i < WIRE_CAPTURE_PLACES; i++)
		clear_bits(&tap->control->captures[i], mask);
	for (uint32_t i = 0; i < WIRE_MAX_READERS; i++)
		clear_bits(&tap->control->readers[i].captures, mask);
}

static int map_by_id(uint32_t id, const char *name, struct error *err)
{
	int fd = bpf_map_get_fd_by_id(id);

	return fd < 0 ? error_errno(err, -fd, "open the map `%s` of the lab", name) : fd;
}

static void *map_values(uint32_t id, const char *name, size_t size, struct error *err)
{
	int fd = map_by_id(id, name, err);
	void *values;

	if (fd < 0)
		return NULL;
	values = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (values == MAP_FAILED) {
		error_errno(err, errno, "map the values of `%s` of the lab", name);
		values = NULL;
	}
	close(fd);
	return values;
}

static int open_maps(struct wire_tap *tap, const struct wire_ids *ids, struct error *err)
{
	if (!ids->events)
		return error_set(err, ENOSYS,
				 "the kernel cannot capture: it has no perf events (CONFIG_PERF_EVENTS), or "
				 "perf_event_open is forbidden here; `provium doctor` tells which");
	tap->events = map_by_id(ids->events, "events", err);
	tap->ports = tap->events < 0 ? -1 : map_by_id(ids->ports, "ports", err);
	if (tap->ports < 0)
		return -err->code;
	tap->control = map_values(ids->control, "control", sizeof(*tap->control), err);
	tap->captures = tap->control ? map_values(ids->captures, "captures", CAPTURES_SIZE, err) : NULL;
	return tap->captures ? 0 : -err->code;
}

static int become_reader(struct wire_tap *tap, struct error *err)
{
	int cpus = libbpf_num_possible_cpus();

	for (uint32_t i = 0; i < WIRE_MAX_READERS; i++) {
		struct wire_reader *reader = &tap->control->readers[i];

		if (!claim(&reader->owner))
			continue;
		shut(tap, reader->captures);
		tap->reader = i;
		tap->first_ring = i * (uint32_t)cpus;
		return 0;
	}
	return error_set(err, EBUSY, "%d processes capture in this lab already", WIRE_MAX_READERS);
}

int wire_tap_open(struct wire_tap **result, const struct wire_ids *ids, struct error *err)
{
	struct wire_tap *tap = memory_new(sizeof(*tap));

	tap->events = tap->ports = -1;
	tap->reader = WIRE_MAX_READERS;
	if (open_maps(tap, ids, err) || become_reader(tap, err)) {
		wire_tap_close(tap);
		return -err->code;
	}
	*result = tap;
	return 0;
}

void wire_tap_close(struct wire_tap *tap)
{
	if (!tap)
		return;
	for (uint32_t i = 0; i < WIRE_MAX_CAPTURES && tap->reader < WIRE_MAX_READERS; i++)
		if (tap->control->readers[tap->reader].captures & 1U << i)
			wire_tap_remove(tap, i);
	if (tap->reader < WIRE_MAX_READERS)
		release(&tap->control->readers[tap->reader].owner);
	if (tap->captures)
		munmap(tap->captures, CAPTURES_SIZE);
	if (tap->control)
		munmap(tap->control, sizeof(*tap->control));
	if (tap->ports >= 0)
		close(tap->ports);
	/* The kernel takes those rings out of the map that were put in by way of this descriptor. */
	if (tap->events >= 0)
		close(tap->events);
	free(tap);
}

/* Frames that are just being looked at may see the element half written: an event is only good if it is younger than this. */
static void describe(struct wire_tap *tap, uint32_t number, const struct wire_capture *wanted)
{
	struct wire_capture *capture = &tap->captures[number];
	uint32_t owner = capture->owner;

	*capture = *wanted;
	capture->owner = owner;
	capture->reader = (uint8_t)tap->reader;
	capture->lost = 0;
	capture->looks_inside = wanted->ethertype || wanted->port || wanted->protocol;
	if (capture->looks_inside)
		set_bits(&tap->control->looking_inside, 1U << number);
	else
		clear_bits(&tap->control->looking_inside, 1U << number);
}

int wire_tap_add(struct wire_tap *tap, const struct wire_capture *wanted, uint32_t *number, struct error *err)
{
	/* The lowest first: frames look no further than the highest that is open. */
	for (uint32_t i = 0; i < WIRE_MAX_CAPTURES; i++) {
		if (!claim(&tap->captures[i].owner))
			continue;
		shut(tap, 1U << i);
		describe(tap, i, wanted);
		set_bits(&tap->control->readers[tap->reader].captures, 1U << i);
		set_bits(place_of(tap, wanted->bridge), 1U << i);
		*number = i;
		return 0;
	}
	return error_set(err, ENOSPC, "%d captures are open in this lab already; close one", WIRE_MAX_CAPTURES);
}

void wire_tap_remove(struct wire_tap *tap, uint32_t number)
{
	shut(tap, 1U << number);
	clear_bits(&tap->control->looking_inside, 1U << number);
	release(&tap->captures[number].owner);
}

void wire_tap_assert(struct wire_tap *tap)
{
	uint32_t own = tap->control->readers[tap->reader].captures;

	for (uint32_t i = 0; own; i++, own >>= 1) {
		__u32 *place = place_of(tap, tap->captures[i].bridge);

		if (own & 1 && !(__atomic_load_n(place, __ATOMIC_RELAXED) & 1U << i))
			set_bits(place, 1U << i);
	}
}

uint64_t wire_tap_lost(const struct wire_tap *tap, uint32_t number)
{
	return __atomic_load_n(&tap->captures[number].lost, __ATOMIC_RELAXED);
}

bool wire_tap_port_name(const struct wire_tap *tap, uint32_t bridge, uint16_t port, char name[static 68])
{
	uint32_t index, *previous = NULL;
	struct wire_port value;

	while (bpf_map_get_next_key(tap->ports, previous, &index) == 0) {
		previous = &index;
		if (bpf_map_lookup_elem(tap->ports, &index, &value) || value.bridge != bridge || value.port != port)
			continue;
		memcpy(name, value.name, sizeof(value.name));
		return true;
	}
	return false;
}
