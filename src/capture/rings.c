// SPDX-License-Identifier: GPL-2.0-only
#include "capture/rings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/limits.h"
#include "util/memory.h"
#include "wire/tap.h"

#define MEMORY_SHARE 8		  /* the default rings take no more than one part of so many */
#define LEAST_SIZE   (256U << 10) /* a few of the largest records */
#define MOST_SIZE    (1U << 30)
#define MAX_RECORD   (1U << 16) /* records have a 16-bit size */
#define BATCH_SIZE   (1U << 20) /* what a CPU's cache holds: wake up for so much, and give back so much at a time */
#define BATCH_SHARE  8		/* or for that part of a small ring, so that there is room while the reader wakes up */

/* Behind struct perf_event_header in a sample: a 32-bit size, and then what the program has put out. */
#define RAW_OFFSET (sizeof(struct perf_event_header) + sizeof(uint32_t))

struct ring {
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	uint64_t tail;	   /* what is before was read */
	uint64_t released; /* what is before belongs to the kernel again */
	uint64_t head;	   /* when rings_look() looked */
	struct buffer
		kept; /* from before the tail: records that were too young to be taken when the ring needed their room */
	size_t kept_tail; /* of those, too, some were read */
	uint64_t next_ns; /* of the event at the tail, UINT64_MAX if there is none */
	struct wire_event next;
	uint8_t *unwrapped; /* a record that goes over the end of the ring, in one piece */
};

struct rings {
	struct perf_buffer *buffer;
	size_t count;
	uint64_t size; /* a power of 2 */
	uint64_t batch;
	struct ring *list;
};

/* "0-3,5" in /sys. Returns how many; the list is the caller's to free. */
static size_t online_cpus(int **cpus)
{
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");
	size_t count = 0;
	int first, last;

	*cpus = NULL;
	while (file && fscanf(file, "%d", &first) == 1) {
		if (fscanf(file, "-%d", &last) != 1)
			last = first;
		*cpus = memory_resize(*cpus, (count + (size_t)(last - first) + 1) * sizeof(**cpus));
		while (first <= last)
			(*cpus)[count++] = first++;
		if (fgetc(file) != ',')
			break;
	}
	if (file)
		fclose(file);
	return count;
}

static uint64_t choose_size(uint64_t wanted, size_t cpus)
{
	struct sysinfo info;
	uint64_t size = LEAST_SIZE;

	if (!wanted) {
		wanted = RINGS_DEFAULT_SIZE;
		while (!sysinfo(&info) && wanted * cpus > (uint64_t)info.totalram * info.mem_unit / MEMORY_SHARE)
			wanted /= 2;
	}
	while (size < wanted && size < MOST_SIZE)
		size *= 2;
	return size;
}

static uint64_t choose_batch(uint64_t size)
{
	return size / BATCH_SHARE < BATCH_SIZE ? size / BATCH_SHARE : BATCH_SIZE;
}

/* libbpf wants to be told what to call, although it is never asked to read. */
static enum bpf_perf_event_ret read_nothing(void *context, int cpu, struct perf_event_header *event)
{
	(void)context;
	(void)cpu;
	(void)event;
	return LIBBPF_PERF_EVENT_DONE;
}

static int open_buffer(struct rings *rings, const struct wire_tap *tap, int *cpus, struct error *err)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)rings->batch,
	};
	int *keys = memory_new(rings->count * sizeof(*keys));
	LIBBPF_OPTS(perf_buffer_raw_opts, opts, .cpu_cnt = (int)rings->count, .cpus = cpus, .map_keys = keys);
	int code;

	for (size_t i = 0; i < rings->count; i++)
		keys[i] = (int)tap->first_ring + cpus[i];
	rings->buffer = perf_buffer__new_raw(tap->events, rings->size / (size_t)getpagesize(), &attr, read_nothing,
					     NULL, &opts);
	code = errno;
	free(keys);
	if (rings->buffer)
		return 0;
	error_errno(err, code, "open rings of %llu KiB for captures on %zu CPUs",
		    (unsigned long long)(rings->size >> 10), rings->count);
	return limits_explain_locked(err);
}

int rings_open(struct rings **result, const struct wire_tap *tap, uint64_t size, struct error *err)
{
	struct rings *rings = memory_new(sizeof(*rings));
	int *cpus;

	rings->count = online_cpus(&cpus);
	rings->size = choose_size(size, rings->count);
	rings->batch = choose_batch(rings->size);
	rings->list = memory_new(rings->count * sizeof(*rings->list));
	err->code = 0;
	if (!rings->count)
		error_set(err, ENOENT, "read which CPUs are online: /sys/devices/system/cpu/online is not there");
	else
		open_buffer(rings, tap, cpus, err);
	free(cpus);
	if (err->code) {
		rings_close(rings);
		return -err->code;
	}
	for (size_t i = 0; i < rings->count; i++) {
		void *base;
		size_t all;

		perf_buffer__buffer(rings->buffer, (int)i, &base, &all);
		rings->list[i].page = base;
		rings->list[i].data = (uint8_t *)base + getpagesize();
		rings->list[i].unwrapped = memory_new(MAX_RECORD);
	}
	*result = rings;
	return 0;
}

void rings_close(struct rings *rings)
{
	if (!rings)
		return;
	for (size_t i = 0; i < rings->count; i++) {
		free(rings->list[i].unwrapped);
		buffer_free(&rings->list[i].kept);
	}
	perf_buffer__free(rings->buffer);
	free(rings->list);
	free(rings);
}

uint64_t rings_size(const struct rings *rings)
{
	return rings->size;
}

size_t rings_poll(const struct rings *rings, struct pollfd *fds)
{
	for (size_t i = 0; fds && i < rings->count; i++)
		fds[i] = (struct pollfd){ .fd = perf_buffer__buffer_fd(rings->buffer, i), .events = POLLIN };
	return rings->count;
}

static bool has_kept(const struct ring *ring)
{
	return ring->kept_tail < ring->kept.size;
}

static bool is_empty(const struct ring *ring)
{
	return !has_kept(ring) && ring->tail == ring->head;
}

/* Records are multiples of 8 bytes long, so that their header never goes over the end of the ring. */
static const struct perf_event_header *first_record(const struct rings *rings, const struct ring *ring)
{
	if (has_kept(ring))
		return (const void *)(ring->kept.data + ring->kept_tail);
	return (const void *)(ring->data + (ring->tail & (rings->size - 1)));
}

/* What the program has put out with it. */
static const uint8_t *first_raw(const struct rings *rings, const struct ring *ring)
{
	const struct perf_event_header *record = first_record(rings, ring);
	size_t first = rings->size - (ring->tail & (rings->size - 1));

	if (has_kept(ring) || record->size <= first)
		return (const uint8_t *)record + RAW_OFFSET;
	memcpy(ring->unwrapped, record, first);
	memcpy(ring->unwrapped + first, ring->data, record->size - first);
	return ring->unwrapped + RAW_OFFSET;
}

static void pass_first(const struct rings *rings, struct ring *ring)
{
	size_t size = first_record(rings, ring)->size;

	if (has_kept(ring))
		ring->kept_tail += size;
	else
		ring->tail += size;
}

/* Reads the head of the first event. What is no sample tells of losses, which the program counts. */
static void find_next(const struct rings *rings, struct ring *ring)
{
	ring->next_ns = UINT64_MAX;
	while (!is_empty(ring) && first_record(rings, ring)->type != PERF_RECORD_SAMPLE)
		pass_first(rings, ring);
	if (is_empty(ring))
		return;
	memcpy(&ring->next, first_raw(rings, ring), sizeof(ring->next));
	ring->next_ns = ring->next.time_ns;
}

static void release(struct ring *ring)
{
	__atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
	ring->released = ring->tail;
}

void rings_look(struct rings *rings)
{
	for (size_t i = 0; i < rings->count; i++) {
		struct ring *ring = &rings->list[i];

		ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
		find_next(rings, ring);
	}
}

static struct ring *oldest(struct rings *rings)
{
	struct ring *best = &rings->list[0];

	for (size_t i = 1; i < rings->count; i++)
		if (rings->list[i].next_ns < best->next_ns)
			best = &rings->list[i];
	return best;
}

/* The tail of a large frame stands right behind it, unless the ring was full. */
static void take_tail(const struct rings *rings, struct ring *ring, struct ring_event *event)
{
	if (is_empty(ring) || ring->next.kind != WIRE_EVENT_TAIL)
		return;
	event->tail = first_raw(rings, ring) + sizeof(ring->next);
	event->tail_size = event->event.captured - event->size;
	pass_first(rings, ring);
	find_next(rings, ring);
}

bool rings_next(struct rings *rings, uint64_t until_ns, struct ring_event *event)
{
	struct ring *ring = oldest(rings);

	if (ring->next_ns > until_ns || ring->next_ns == UINT64_MAX)
		return false;
	/* Now that the caller is through with what it got last. */
	if (ring->tail - ring->released >= rings->batch)
		release(ring);
	*event = (struct ring_event){ .event = ring->next };
	event->bytes = first_raw(rings, ring) + sizeof(ring->next);
	event->size = ring->next.captured < WIRE_EVENT_BYTES ? ring->next.captured : WIRE_EVENT_BYTES;
	pass_first(rings, ring);
	find_next(rings, ring);
	if (event->event.captured > event->size)
		take_tail(rings, ring, event);
	return true;
}

bool rings_are_empty(const struct rings *rings)
{
	for (size_t i = 0; i < rings->count; i++)
		if (!is_empty(&rings->list[i]))
			return false;
	return true;
}

static void forget_taken(struct ring *ring)
{
	size_t rest = ring->kept.size - ring->kept_tail;

	if (!ring->kept_tail)
		return;
	memmove(ring->kept.data, ring->kept.data + ring->kept_tail, rest);
	ring->kept.size = rest;
	ring->kept_tail = 0;
}

/* The order of records stays: what is kept is read before the ring. */
static void keep_rest(const struct rings *rings, struct ring *ring)
{
	uint64_t offset = ring->tail & (rings->size - 1), rest = ring->head - ring->tail;
	uint64_t first = rest < rings->size - offset ? rest : rings->size - offset;

	buffer_add(&ring->kept, ring->data + offset, first);
	buffer_add(&ring->kept, ring->data, rest - first);
	ring->tail = ring->head;
}

void rings_done(struct rings *rings)
{
	for (size_t i = 0; i < rings->count; i++) {
		struct ring *ring = &rings->list[i];

		forget_taken(ring);
		if (ring->head - ring->tail >= rings->batch)
			keep_rest(rings, ring);
		if (ring->tail != ring->released)
			release(ring);
	}
}
