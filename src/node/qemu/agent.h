/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The QEMU guest agent's protocol: https://qemu.readthedocs.io/en/v7.2.0/interop/qemu-ga-ref.html. The agent runs in a guest
 * that may do anything, so every answer is checked, bounded, and waited for until a deadline alone.
 */
#ifndef PROVIUM_NODE_QEMU_AGENT_H
#define PROVIUM_NODE_QEMU_AGENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/qemu/channel.h"
#include "util/error.h"

/* How much of a file one request reads or writes. Base64 of it, and some words around that, fit into a line. */
#define AGENT_CHUNK (192U << 10)

struct agent {
	struct channel channel;
	bool in_step; /* the next line is the answer to the next request */
	json_int_t last_sync;
};

struct agent_call {
	const char *name;
	json_t *arguments;  /* NULL: none; taken over */
	json_t *answer;	    /* NULL if it was refused; the caller's to json_decref() */
	struct error error; /* code 0 unless it was refused */
};

void agent_open(struct agent *agent, int fd);
void agent_close(struct agent *agent); /* safe twice */

/* Waits until an agent answers; the end of a guest's boot. Nothing to do if it is in step. */
int agent_sync(struct agent *agent, uint64_t deadline_ns, struct error *err);

/*
 * Sends all requests and then waits for all answers, which is one round trip. Fails only if answers did not come; a request
 * that the agent refused has its own error. No answers are left behind to the caller when it fails.
 */
int agent_batch(struct agent *agent, struct agent_call *calls, size_t count, uint64_t deadline_ns, struct error *err);

/* One request. The answer is not wanted if `answer` is NULL. */
int agent_call(struct agent *agent, const char *name, json_t *arguments, json_t **answer, uint64_t deadline_ns,
	       struct error *err);

/* Files in the guest. Writing replaces the content. */
int agent_write_file(struct agent *agent, const char *path, const void *data, size_t size, uint64_t deadline_ns,
		     struct error *err);
json_t *agent_open_arguments(const char *path, const char *mode);

/* What a guest-file-read brought, added to the buffer. *at_end: there was no more. False for a malformed answer. */
bool agent_take_read(const json_t *answer, struct buffer *into, bool *at_end);

#endif
