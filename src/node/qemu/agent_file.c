// SPDX-License-Identifier: GPL-2.0-only
/* Files in the guest, through the agent's handles. */
#include <errno.h>
#include <string.h>

#include "node/qemu/agent.h"
#include "node/qemu/base64.h"

json_t *agent_open_arguments(const char *path, const char *mode)
{
	return json_pack("{ss ss}", "path", path, "mode", mode);
}

static int write_chunks(struct agent *agent, json_int_t handle, const char *data, size_t size, uint64_t deadline_ns,
			struct error *err)
{
	while (size) {
		size_t chunk = size < AGENT_CHUNK ? size : AGENT_CHUNK;
		struct buffer text = { 0 };
		json_t *answer = NULL;
		json_int_t written;

		base64_encode(&text, data, chunk);
		if (agent_call(agent, "guest-file-write",
			       json_pack("{sI ss}", "handle", handle, "buf-b64", buffer_string(&text)), &answer,
			       deadline_ns, err)) {
			buffer_free(&text);
			return -err->code;
		}
		buffer_free(&text);
		written = json_integer_value(json_object_get(answer, "count"));
		json_decref(answer);
		if (written != (json_int_t)chunk)
			return error_set(err, ENOSPC, "the guest agent wrote %lld of %zu bytes", (long long)written,
					 chunk);
		data += chunk;
		size -= chunk;
	}
	return 0;
}

int agent_write_file(struct agent *agent, const char *path, const void *data, size_t size, uint64_t deadline_ns,
		     struct error *err)
{
	json_t *answer = NULL;
	json_int_t handle;
	struct error failure = { 0 }, ignored;

	if (agent_call(agent, "guest-file-open", agent_open_arguments(path, "w"), &answer, deadline_ns, err))
		return error_wrap(err, "write %s", path);
	handle = json_integer_value(answer);
	json_decref(answer);
	if (write_chunks(agent, handle, data, size, deadline_ns, &failure)) {
		/* An agent that did not answer just now would be waited for once more. */
		if (agent->in_step)
			agent_call(agent, "guest-file-close", json_pack("{sI}", "handle", handle), NULL, deadline_ns,
				   &ignored);
		*err = failure;
		return error_wrap(err, "write %s", path);
	}
	return agent_call(agent, "guest-file-close", json_pack("{sI}", "handle", handle), NULL, deadline_ns, err);
}

bool agent_take_read(const json_t *answer, struct buffer *into, bool *at_end)
{
	const json_t *text = json_object_get(answer, "buf-b64");
	const json_t *eof = json_object_get(answer, "eof");
	size_t before = into->size;

	if (!json_is_boolean(eof))
		return false;
	/* Nothing read: no text at all, or an empty one. */
	if (text && (!json_is_string(text) || !base64_decode(into, json_string_value(text), json_string_length(text))))
		return false;
	*at_end = json_is_true(eof) || into->size == before;
	return true;
}
