// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/qmp.h"

#include <errno.h>

#include "util/clock.h"
#include "util/error.h"

/* QEMU answers in milliseconds, unless its disk or the whole machine is stuck. */
#define COMMAND_NS (30 * NS_PER_S)
#define LINE_LIMIT (4U << 20)

void qmp_open(struct qmp *qmp, int fd)
{
	channel_open(&qmp->channel, fd, LINE_LIMIT);
	qmp->greeted = false;
}

void qmp_close(struct qmp *qmp)
{
	channel_close(&qmp->channel);
}

/* The next message; an event is passed on and there is none then. */
static int receive(struct qmp *qmp, json_t **message, uint64_t deadline_ns, struct error *err)
{
	json_error_t why;
	const char *line, *event;
	size_t size;

	*message = NULL;
	if (channel_line(&qmp->channel, &line, &size, deadline_ns, err))
		return -err->code;
	*message = json_loadb(line, size, 0, &why);
	if (!*message)
		return error_set(err, EBADMSG, "QEMU sent what is no JSON: %s", why.text);
	event = json_string_value(json_object_get(*message, "event"));
	if (!event)
		return 0;
	if (qmp->on_event)
		qmp->on_event(qmp->context, event, json_object_get(*message, "data"));
	json_decref(*message);
	*message = NULL;
	return 0;
}

int qmp_greet(struct qmp *qmp, uint64_t deadline_ns, struct error *err)
{
	json_t *message = NULL;

	if (qmp->greeted)
		return 0;
	while (!message)
		if (receive(qmp, &message, deadline_ns, err))
			return -err->code;
	qmp->greeted = json_object_get(message, "QMP") != NULL;
	json_decref(message);
	if (!qmp->greeted)
		return error_set(err, EBADMSG, "QEMU did not greet");
	return qmp_command(qmp, "qmp_capabilities", NULL, err);
}

/* Takes over the message. */
static int take_answer(json_t *message, const char *name, json_t **answer, struct error *err)
{
	const json_t *refusal = json_object_get(message, "error");
	const char *why = json_string_value(json_object_get(refusal, "desc"));

	err->code = 0;
	if (refusal)
		error_set(err, EIO, "QEMU refuses %s: %s", name, why ? why : "no reason given");
	else if (answer)
		*answer = json_incref(json_object_get(message, "return"));
	json_decref(message);
	return -err->code;
}

int qmp_command_fd(struct qmp *qmp, const char *name, json_t *arguments, int fd, json_t **answer, struct error *err)
{
	json_t *request = json_pack("{ss sI so*}", "execute", name, "id", ++qmp->last_id, "arguments", arguments);
	uint64_t deadline = clock_after(COMMAND_NS);
	int status = channel_send_json(&qmp->channel, request, fd, deadline, err);

	json_decref(request);
	while (!status) {
		json_t *message;

		status = receive(qmp, &message, deadline, err);
		/* An answer that an interrupted command left behind has another id. */
		if (!status && message && json_integer_value(json_object_get(message, "id")) == qmp->last_id)
			return take_answer(message, name, answer, err);
		json_decref(message);
	}
	return error_wrap(err, "%s", name);
}

int qmp_command(struct qmp *qmp, const char *name, json_t *arguments, struct error *err)
{
	return qmp_command_fd(qmp, name, arguments, -1, NULL, err);
}

int qmp_listen(struct qmp *qmp, uint64_t deadline_ns, struct error *err)
{
	json_t *message;
	int status = receive(qmp, &message, deadline_ns, err);

	json_decref(message);
	return status == -ETIMEDOUT ? 0 : status;
}
