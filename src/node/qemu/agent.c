// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/clock.h"

#define LINE_LIMIT (1U << 20)
#define SENTINEL   '\xff' /* no byte of JSON in UTF-8: resets the agent's parser, and marks its answer to it */
/* An agent that ended in the middle of a request never answers it; its successor answers the next. */
#define SYNC_AGAIN_NS (2 * NS_PER_S)

void agent_open(struct agent *agent, int fd)
{
	channel_open(&agent->channel, fd, LINE_LIMIT);
	agent->in_step = false;
}

void agent_close(struct agent *agent)
{
	channel_close(&agent->channel);
	agent->in_step = false;
}

static int send_sync(struct agent *agent, uint64_t deadline_ns, struct error *err)
{
	char line[128];
	int size =
		snprintf(line, sizeof(line),
			 "%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" JSON_INTEGER_FORMAT "}}\n",
			 SENTINEL, ++agent->last_sync);

	return channel_send(&agent->channel, line, (size_t)size, -1, deadline_ns, err);
}

/* Looks for the answer to a sync, the newest or an older one of ours: behind the newest nothing is left to come. */
static int await_sync(struct agent *agent, uint64_t deadline_ns, struct error *err)
{
	while (!agent->in_step) {
		const char *line;
		size_t size;
		json_t *answer;

		if (channel_skip(&agent->channel, SENTINEL, deadline_ns, err) ||
		    (channel_line(&agent->channel, &line, &size, deadline_ns, err) && err->code != EMSGSIZE))
			return -err->code;
		if (err->code == EMSGSIZE) {
			err->code = 0;
			continue;
		}
		answer = json_loadb(line, size, 0, NULL);
		agent->in_step = answer && json_is_integer(json_object_get(answer, "return")) &&
				 json_integer_value(json_object_get(answer, "return")) == agent->last_sync;
		json_decref(answer);
	}
	return 0;
}

int agent_sync(struct agent *agent, uint64_t deadline_ns, struct error *err)
{
	err->code = 0;
	while (!agent->in_step) {
		uint64_t again = clock_after(SYNC_AGAIN_NS);
		bool last = deadline_ns <= again;

		if (send_sync(agent, deadline_ns, err))
			return -err->code;
		if (await_sync(agent, last ? deadline_ns : again, err) && (last || err->code != ETIMEDOUT))
			return -err->code;
	}
	err->code = 0;
	return 0;
}

static int send_calls(struct agent *agent, struct agent_call *calls, size_t count, uint64_t deadline_ns,
		      struct error *err)
{
	int status = 0;

	for (size_t i = 0; i < count; i++) {
		json_t *request = json_pack("{ss so*}", "execute", calls[i].name, "arguments", calls[i].arguments);

		calls[i].arguments = NULL;
		if (!status)
			status = channel_send_json(&agent->channel, request, -1, deadline_ns, err);
		json_decref(request);
	}
	return status;
}

static int take_answer(struct agent_call *call, json_t *message, struct error *err)
{
	const json_t *refusal = json_object_get(message, "error");
	const char *why = json_string_value(json_object_get(refusal, "desc"));

	call->answer = json_incref(json_object_get(message, "return"));
	if (refusal)
		error_set(&call->error, EIO, "the guest agent refuses %s: %.300s", call->name,
			  why ? why : "no reason given");
	json_decref(message);
	return refusal || call->answer
		       ? 0
		       : error_set(err, EBADMSG, "the guest agent's answer to %s is malformed", call->name);
}

/* An agent that read a sentinel, and nothing before it that it could answer, says that this is no JSON, and then syncs. */
static bool is_about_sync(const char *line, const json_t *message)
{
	const char *why = json_string_value(json_object_get(json_object_get(message, "error"), "desc"));

	return line[0] == SENTINEL || !json_is_object(message) || (why && strncmp(why, "JSON parse error", 16) == 0);
}

/*
 * The next line. When it does not come soon, the agent may have been started anew, and never have seen the request: a sync
 * behind it shows that, or does no harm.
 */
static int await_line(struct agent *agent, const char **line, size_t *size, bool *asked_again, uint64_t deadline_ns,
		      struct error *err)
{
	uint64_t again = clock_after(SYNC_AGAIN_NS);

	if (*asked_again || deadline_ns <= again)
		return channel_line(&agent->channel, line, size, deadline_ns, err);
	if (channel_line(&agent->channel, line, size, again, err) == 0)
		return 0;
	if (err->code != ETIMEDOUT)
		return -err->code;
	*asked_again = true;
	if (send_sync(agent, deadline_ns, err))
		return -err->code;
	return channel_line(&agent->channel, line, size, deadline_ns, err);
}

static int await_answers(struct agent *agent, struct agent_call *calls, size_t count, uint64_t deadline_ns,
			 struct error *err)
{
	bool asked_again = false;

	for (size_t i = 0; i < count; i++) {
		const char *line;
		size_t size;
		json_t *message;
		bool is_lost;

		if (await_line(agent, &line, &size, &asked_again, deadline_ns, err))
			return error_wrap(err, "the guest agent does not answer to %s as it should", calls[i].name);
		message = json_loadb(line, size, 0, NULL);
		is_lost = asked_again && is_about_sync(line, message);
		if (is_lost || !json_is_object(message)) {
			json_decref(message);
			return is_lost ? error_set(err, ESTALE, "its agent, or the guest, was started anew during %s",
						   calls[i].name)
				       : error_set(err, EBADMSG, "the guest agent's answer to %s is no JSON",
						   calls[i].name);
		}
		if (take_answer(&calls[i], message, err))
			return -err->code;
	}
	/* The answer to the sync is still to come. */
	agent->in_step = !asked_again;
	return 0;
}

int agent_batch(struct agent *agent, struct agent_call *calls, size_t count, uint64_t deadline_ns, struct error *err)
{
	int status = agent_sync(agent, deadline_ns, err);

	if (status)
		for (size_t i = 0; i < count; i++)
			json_decref(calls[i].arguments);
	if (!status)
		status = send_calls(agent, calls, count, deadline_ns, err);
	if (!status)
		status = await_answers(agent, calls, count, deadline_ns, err);
	if (!status) {
		err->code = 0;
		return 0;
	}
	agent->in_step = false;
	for (size_t i = 0; i < count; i++) {
		json_decref(calls[i].answer);
		calls[i].answer = calls[i].arguments = NULL;
	}
	return status;
}

int agent_call(struct agent *agent, const char *name, json_t *arguments, json_t **answer, uint64_t deadline_ns,
	       struct error *err)
{
	struct agent_call call = { .name = name, .arguments = arguments };

	if (agent_batch(agent, &call, 1, deadline_ns, err))
		return -err->code;
	if (call.error.code) {
		*err = call.error;
		return -err->code;
	}
	if (answer)
		*answer = call.answer;
	else
		json_decref(call.answer);
	return 0;
}
