/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader's side of captures (provium/capture.h): of the wire of this process, or of another one. It is opened by the
 * ids of maps, needs nothing of the process that made them, and leaves nothing there, even if it is killed.
 */
#ifndef PROVIUM_WIRE_TAP_H
#define PROVIUM_WIRE_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include <provium/capture.h>

struct error;
struct wire_ids;

struct wire_tap {
	int events;	     /* the map of rings */
	uint32_t first_ring; /* of this reader in it; that of CPU c is the c-th from there */
	uint32_t reader;
	int ports;
	struct wire_control *control;
	struct wire_capture *captures;
};

/* The error says what the kernel lacks if it is that. */
int wire_tap_open(struct wire_tap **result, const struct wire_ids *ids, struct error *err);
/* With all of its captures. */
void wire_tap_close(struct wire_tap *tap); /* NULL is fine */

/* Opens a capture; events come from now on. `owner`, `reader` and `lost` are not the caller's to set. */
int wire_tap_add(struct wire_tap *tap, const struct wire_capture *wanted, uint32_t *number, struct error *err);
void wire_tap_remove(struct wire_tap *tap, uint32_t number);
/* The program takes a capture for left behind when it meets a CPU without a ring, such as a new one. */
void wire_tap_assert(struct wire_tap *tap);
/* Frames that the capture wanted and no ring had room for. */
uint64_t wire_tap_lost(const struct wire_tap *tap, uint32_t number);

/* The name of a port that is up now, as in struct wire_port; false if there is none. */
bool wire_tap_port_name(const struct wire_tap *tap, uint32_t bridge, uint16_t port, char name[static 68]);

#endif
