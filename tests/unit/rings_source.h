/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reader of rings as a part of a test, which fills the rings as the kernel would. The library has the same functions, so they
 * have other names here.
 */
#ifndef PROVIUM_TESTS_UNIT_RINGS_SOURCE_H
#define PROVIUM_TESTS_UNIT_RINGS_SOURCE_H

#define rings_open	tested_open
#define rings_close	tested_close
#define rings_size	tested_size
#define rings_poll	tested_poll
#define rings_look	tested_look
#define rings_next	tested_next
#define rings_are_empty tested_are_empty
#define rings_done	tested_done

#include "capture/rings.c" /* NOLINT(bugprone-suspicious-include) */

#define CPUS 2U
#define SIZE (1U << 17)

static struct rings rings;
static struct ring list[CPUS];
static struct perf_event_mmap_page pages[CPUS];
static uint8_t data[CPUS][SIZE];

static void put(size_t cpu, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[cpu][(pages[cpu].data_head + i) % SIZE] = ((const uint8_t *)bytes)[i];
	pages[cpu].data_head += size;
}

static int free_rings(void **state)
{
	(void)state;
	for (size_t i = 0; i < CPUS; i++) {
		free(list[i].unwrapped);
		list[i].unwrapped = NULL;
		buffer_free(&list[i].kept);
	}
	return 0;
}

/* Empty ones, before each test. */
static int make_rings(void **state)
{
	free_rings(state);
	rings = (struct rings){ .count = CPUS, .size = SIZE, .batch = choose_batch(SIZE), .list = list };
	for (size_t i = 0; i < CPUS; i++) {
		pages[i] = (struct perf_event_mmap_page){ 0 };
		list[i] = (struct ring){ .page = &pages[i], .data = data[i], .unwrapped = memory_new(MAX_RECORD) };
	}
	return 0;
}

#endif
