// SPDX-License-Identifier: GPL-2.0-only
/* Commands in a guest: see process.h. */
#include "node/qemu/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/qemu/qemu.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"

/* How often the guest is asked: soon at first, less often the longer nothing has happened. Each time costs it a few ms. */
#define FIRST_INTERVAL_NS (4 * NS_PER_MS)
#define LAST_INTERVAL_NS  (50 * NS_PER_MS)
#define IDLE_SHARE	  8
#define MOST_AT_FIRST_NS  (100 * NS_PER_MS)
/* Who waits for the end of a command is in no hurry for its output, and reading what is not there costs it as much. */
#define READ_INTERVAL_NS (50 * NS_PER_MS)
/* See patience(). */
#define PATIENCE_NS (5 * NS_PER_S)
#define KILL_NS	    (5 * NS_PER_S)
#define MUCH_OUTPUT (8U << 20)
#define INPUT_RATE  (64U << 10) /* bytes a second, under emulation in emulation */

/* A guest that is asked once more at the end of a wait has this long to answer before it counts as hung. */
static uint64_t patience(const struct qemu_node *node)
{
	return node->patience_ns > GUEST_NS ? node->patience_ns : PATIENCE_NS;
}

static int orphaned(const struct qemu_process *process, struct error *err)
{
	return error_set(err, ENOTCONN, "%s", process->ending);
}

/* What the guest has written; *more: there may be more of it. */
static int take_reads(struct qemu_process *process, struct agent_call *calls, bool *fresh, bool *more,
		      struct error *err)
{
	struct buffer *buffers[] = { &process->process.out, &process->process.err };

	for (int i = 0; i < 2; i++) {
		size_t before = buffers[i]->size;
		bool at_end = true;

		if (calls[i].error.code)
			return error_set(
				err, ESTALE,
				"the output of the process is lost: the guest, or its agent, was started anew");
		if (!agent_take_read(calls[i].answer, buffers[i], &at_end))
			return error_set(err, EBADMSG, "the guest agent's answer to guest-file-read is malformed");
		*fresh = *fresh || buffers[i]->size > before;
		*more = *more || !at_end;
	}
	return 0;
}

static int take_status(struct qemu_process *process, const struct agent_call *call, bool *exited, struct error *err)
{
	const json_t *code = json_object_get(call->answer, "exitcode");
	const json_t *number = json_object_get(call->answer, "signal");

	if (call->error.code)
		return error_set(err, ESTALE, "the process is lost: the guest, or its agent, was started anew");
	*exited = json_is_true(json_object_get(call->answer, "exited"));
	if (!*exited)
		return json_is_false(json_object_get(call->answer, "exited"))
			       ? 0
			       : error_set(err, EBADMSG, "the guest agent's answer to guest-exec-status is malformed");
	process->process.code = (int)json_integer_value(number ? number : code);
	return 0;
}

static void prepare_reads(const struct qemu_process *process, struct agent_call *calls)
{
	json_int_t handles[] = { process->output, process->errors };

	for (int i = 0; i < 2; i++)
		calls[i] = (struct agent_call){
			.name = "guest-file-read",
			.arguments = json_pack("{sI sI}", "handle", handles[i], "count", (json_int_t)AGENT_CHUNK),
		};
}

static void forget_answers(struct agent_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_decref(calls[i].answer);
}

/* After the process has ended: what is left in its files. */
static int drain(struct qemu_process *process, uint64_t deadline_ns, struct error *err)
{
	bool fresh = false, more = true;

	while (more && process->process.out.size <= PROCESS_OUTPUT_LIMIT &&
	       process->process.err.size <= PROCESS_OUTPUT_LIMIT) {
		struct agent_call calls[2];
		int status;

		more = false;
		prepare_reads(process, calls);
		if (agent_batch(&process->node->agent, calls, 2, deadline_ns, err))
			return -err->code;
		status = take_reads(process, calls, &fresh, &more, err);
		forget_answers(calls, 2);
		if (status)
			return status;
	}
	return 0;
}

/* One round trip: how it is, and, if asked for, what it has written. All of that once it has ended. */
static int ask(struct qemu_process *process, uint64_t deadline_ns, bool reading, bool *fresh, bool *more,
	       struct error *err)
{
	struct agent_call calls[3];
	size_t count = reading ? 3 : 1;
	bool exited = false, is_signal;
	int status;

	calls[0] = (struct agent_call){ .name = "guest-exec-status",
					.arguments = json_pack("{sI}", "pid", (json_int_t)process->process.pid) };
	if (reading)
		prepare_reads(process, calls + 1);
	if (agent_batch(&process->node->agent, calls, count, deadline_ns, err))
		return -err->code;
	status = take_status(process, &calls[0], &exited, err);
	is_signal = json_object_get(calls[0].answer, "signal") != NULL;
	if (!status && reading)
		status = take_reads(process, calls + 1, fresh, more, err);
	forget_answers(calls, count);
	if (!status && exited && (*more || !reading))
		status = drain(process, deadline_ns, err);
	if (!status && exited)
		process->process.status = is_signal ? PROCESS_SIGNALLED : PROCESS_EXITED;
	return status;
}

/* The wrapper could not start the command, and left its mark. */
static int start_failure(struct qemu_process *process, struct error *err)
{
	struct buffer *text = &process->process.err;
	size_t length = strlen(process->mark);
	const char *why = buffer_string(text) + length;

	if (process->process.status != PROCESS_EXITED || text->size <= length ||
	    memcmp(text->data, process->mark, length) != 0)
		return 0;
	if (strcmp(why, "-cwd\n") == 0)
		error_errno(err, ENOENT, "run `%s` in node `%s` (with cwd %s)", process->name, process->node->name,
			    process->cwd);
	else
		error_errno(err, strcmp(why, "-denied\n") == 0 ? EACCES : ENOENT, "run `%s` in node `%s`",
			    process->name, process->node->name);
	buffer_free(text);
	return -err->code;
}

static int qemu_process_kill(struct process *base, int number, struct error *err)
{
	/* As in a namespace node, what SIGKILL ends is waited for: a second or so, until its group has nobody in it. */
	static const char script[] = "kill -\"$1\" -\"$2\" 2>/dev/null || kill -\"$1\" \"$2\" 2>/dev/null\n"
				     "[ \"$1\" = 9 ] || exit 0\n"
				     "turns=100\n"
				     "while kill -0 -\"$2\" 2>/dev/null && [ $turns -gt 0 ]; do\n"
				     "	turns=$((turns - 1))\n"
				     "	sleep 0.01\n"
				     "done";
	struct qemu_process *process = (struct qemu_process *)base;
	char number_text[16], pid_text[24];
	const char *arguments[] = { number_text, pid_text, NULL };

	if (base->status != PROCESS_RUNNING)
		return 0;
	if (!process->node)
		return orphaned(process, err);
	snprintf(number_text, sizeof(number_text), "%d", number);
	snprintf(pid_text, sizeof(pid_text), "%ld", base->pid);
	process->active_ns = clock_now();
	return qemu_run_script(process->node, script, arguments, NULL, clock_after(patience(process->node)), err);
}

static int too_much_output(struct qemu_process *process, struct error *err)
{
	struct error ignored;

	if (process->process.status == PROCESS_RUNNING)
		qemu_process_kill(&process->process, SIGKILL, &ignored);
	return error_set(err, EFBIG, "more than %u MiB of output; write it to a file in the node",
			 PROCESS_OUTPUT_LIMIT >> 20);
}

/* Output goes through memory of the guest. A command that has filled it may have failed without being able to say so. */
static int check_room(struct qemu_process *process, struct error *err)
{
	/* By its exit status: there is no room for output. */
	static const char script[] = "blocks=$(stat -f -c %a \"$1\" 2>/dev/null)\n"
				     "case $blocks in '' | *[!0-9]*) exit 0 ;; esac\n"
				     "[ \"$blocks\" -ge 16 ]";
	struct qemu_node *node = process->node;
	size_t size = process->process.out.size + process->process.err.size;
	const char *arguments[] = { node->folder, NULL };
	struct error full;

	if (size < MUCH_OUTPUT || qemu_run_script(node, script, arguments, NULL, guest_deadline(node), &full) == 0 ||
	    full.code != EIO)
		return 0;
	return error_set(err, EFBIG,
			 "%zu MiB of output have filled %s in node `%s`; give it more memory, or write to a disk",
			 size >> 20, node->folder, node->name);
}

static uint64_t interval(const struct qemu_process *process, uint64_t deadline_ns)
{
	uint64_t now = clock_now(), wait = (now - process->active_ns) / IDLE_SHARE;

	if (wait < FIRST_INTERVAL_NS)
		wait = FIRST_INTERVAL_NS;
	if (wait > LAST_INTERVAL_NS)
		wait = LAST_INTERVAL_NS;
	return wait < deadline_ns - now ? wait : deadline_ns - now;
}

/* A guest with one processor runs the command the sooner, the less it is asked: not before any command has ever ended. */
static int wait_first(const struct qemu_process *process, uint64_t deadline_ns, struct error *err)
{
	uint64_t quick_ns = process->node->quickest_ns / 4 * 3, begin_ns, now = clock_now();

	begin_ns = process->started_ns + (quick_ns < MOST_AT_FIRST_NS ? quick_ns : MOST_AT_FIRST_NS);
	if (begin_ns > deadline_ns)
		begin_ns = deadline_ns;
	return begin_ns > now ? wait_sleep(begin_ns - now, err) : 0;
}

static void note_duration(const struct qemu_process *process)
{
	uint64_t took_ns = clock_now() - process->started_ns;

	if (!process->node->quickest_ns || took_ns < process->node->quickest_ns)
		process->node->quickest_ns = took_ns;
}

static int qemu_process_wait(struct process *base, uint64_t deadline_ns, size_t seen, struct error *err)
{
	struct qemu_process *process = (struct qemu_process *)base;
	bool until_output = seen != PROCESS_UNTIL_END;
	uint64_t read_ns = clock_now();

	if (base->status == PROCESS_RUNNING && process->node && !until_output && wait_first(process, deadline_ns, err))
		return -err->code;
	while (base->status == PROCESS_RUNNING && process_output_size(base) <= seen) {
		uint64_t answer_by;
		bool reading = until_output || clock_now() - read_ns >= READ_INTERVAL_NS || clock_now() >= deadline_ns;
		bool fresh = false, more = false;

		if (!process->node)
			return orphaned(process, err);
		answer_by = clock_after(patience(process->node));
		if (ask(process, deadline_ns > answer_by ? deadline_ns : answer_by, reading, &fresh, &more, err))
			return qemu_explain(process->node, err);
		if (reading && !more)
			read_ns = clock_now();
		if (base->out.size > PROCESS_OUTPUT_LIMIT || base->err.size > PROCESS_OUTPUT_LIMIT)
			return too_much_output(process, err);
		if (start_failure(process, err))
			return -err->code;
		if (fresh)
			process->active_ns = clock_now();
		if (base->status != PROCESS_RUNNING) {
			note_duration(process);
			return check_room(process, err);
		}
		if (process_output_size(base) > seen || clock_now() >= deadline_ns)
			return 0;
		if (!more && wait_sleep(interval(process, deadline_ns), err))
			return -err->code;
	}
	return 0;
}

static void close_handles(struct qemu_process *process)
{
	struct agent_call calls[] = {
		{ .name = "guest-file-close", .arguments = json_pack("{sI}", "handle", process->output) },
		{ .name = "guest-file-close", .arguments = json_pack("{sI}", "handle", process->errors) },
	};
	struct error ignored;

	if (agent_batch(&process->node->agent, calls, 2, clock_after(patience(process->node)), &ignored) == 0)
		forget_answers(calls, 2);
}

static void unlink_process(struct qemu_process *process)
{
	struct qemu_process **link = &process->node->processes;

	while (*link && *link != process)
		link = &(*link)->next;
	if (*link)
		*link = process->next;
}

static void qemu_process_close(struct process *base)
{
	struct qemu_process *process = (struct qemu_process *)base;
	struct error ignored;

	/* An agent that does not answer, or a guest that is paused, is not asked. */
	if (process->node && guest_answers(process->node)) {
		if (base->status == PROCESS_RUNNING && base->pid && qemu_process_kill(base, SIGKILL, &ignored) == 0)
			qemu_process_wait(base, clock_after(KILL_NS), PROCESS_UNTIL_END, &ignored);
		if (process->is_open && process->node->agent.in_step)
			close_handles(process);
	}
	if (process->node)
		unlink_process(process);
	buffer_free(&base->out);
	buffer_free(&base->err);
	free(process->name);
	free(process->cwd);
	free(process->ending);
	free(process);
}

static const struct process_ops qemu_process_ops = {
	.wait = qemu_process_wait,
	.kill = qemu_process_kill,
	.close = qemu_process_close,
};

static int check_node(const struct qemu_node *node, const struct command *command, struct error *err)
{
	if (!node->has_agent)
		return error_set(
			err, EOPNOTSUPP,
			"run `%s` in node `%s`: its profile says that it has no guest agent; a node without one has "
			"a console and network cards, but runs no commands (install qemu-guest-agent in it)",
			command->argv[0], node->name);
	if (!guest_listens(node))
		return error_set(err, EAGAIN, "run `%s` in node `%s`: it is %s", command->argv[0], node->name,
				 node->paused ? "paused" : "not ready yet");
	return 0;
}

/* Until when it must have been started. A guest that hangs is not waited for longer than the command would have been. */
static uint64_t start_deadline(const struct qemu_node *node, const struct command *command)
{
	uint64_t deadline = guest_deadline(node) + command->stdin_size * NS_PER_S / INPUT_RATE;
	uint64_t wanted = clock_after(command->timeout_ns + patience(node));

	if (command->deadline_ns)
		return command->deadline_ns;
	return command->timeout_ns && wanted < deadline ? wanted : deadline;
}

int qemu_start(struct node *base, const struct command *command, struct process **result, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct qemu_process *process;

	if (check_node(node, command, err))
		return -err->code;
	process = memory_new(sizeof(*process));
	process->process.ops = &qemu_process_ops;
	process->name = memory_string(command->argv[0]);
	process->cwd = memory_string(command->cwd ? command->cwd : "/");
	process->node = node;
	process->next = node->processes;
	node->processes = process;
	if (qemu_process_launch(process, command, start_deadline(node, command), err)) {
		qemu_process_close(&process->process);
		return -err->code;
	}
	process->started_ns = process->active_ns = clock_now();
	*result = &process->process;
	return 0;
}

/* How a script of ours that ran went. */
static int script_result(struct qemu_node *node, const struct process *process, struct error *err)
{
	const char *text = buffer_string(&process->err);

	if (process->status == PROCESS_RUNNING)
		return error_set(err, ETIMEDOUT, "node `%s`: not done in time", node->name);
	if (process->status != PROCESS_EXITED || process->code)
		return error_set(err, EIO, "node `%s`: %.*s", node->name, *text ? (int)strcspn(text, "\n") : 64,
				 *text ? text : "a command in it failed without a word");
	return 0;
}

#define MAX_SCRIPT_ARGUMENTS 8U

int qemu_run_script(struct qemu_node *node, const char *script, const char *const *arguments, struct buffer *out,
		    uint64_t deadline_ns, struct error *err)
{
	const char *argv[MAX_SCRIPT_ARGUMENTS + 5] = { "sh", "-c", script, "sh" };
	struct command command = { .argv = argv, .deadline_ns = deadline_ns };
	struct process *process;
	int status;

	for (size_t i = 0; i < MAX_SCRIPT_ARGUMENTS && arguments[i]; i++)
		argv[4 + i] = arguments[i];
	if (qemu_start(&node->node, &command, &process, err))
		return -err->code;
	status = process->ops->wait(process, deadline_ns, PROCESS_UNTIL_END, err);
	if (!status)
		status = script_result(node, process, err);
	if (!status && out) {
		*out = process->out;
		process->out = (struct buffer){ 0 };
	}
	process->ops->close(process);
	return status;
}

void qemu_orphan_processes(struct qemu_node *node, const char *cause)
{
	while (node->processes) {
		struct qemu_process *process = node->processes;
		struct error why = { .code = ENOTCONN };

		if (child_has_ended(&node->child))
			qemu_explain(node, &why);
		else
			error_set(&why, ENOTCONN, "node `%s` %s", node->name, cause);
		process->ending = memory_string(why.text);
		node->processes = process->next;
		process->node = NULL;
	}
}
