// SPDX-License-Identifier: GPL-2.0-only
/* How a command becomes a request to the guest agent. */
#include "node/qemu/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "node/qemu/base64.h"
#include "node/qemu/qemu.h"
#include "util/error.h"

/* Input up to this size goes along with the request; more of it goes through a file. */
#define INLINE_INPUT (32U << 10)
#define PATH_SIZE    64

/*
 * $1 to $6: files for output, errors and input ("" for none), the mark, the folder, whether the environment is to be empty
 * ("" if not; programs are looked for all the same, by a PATH that the command does not get). Then variables up to "--", and the
 * command. It runs in a session of its own, under the process number that the agent knows, so that its whole group can be
 * killed. A command that cannot be found is told from one that exits with 127 by the mark.
 */
static const char wrapper[] =
	"p_out=$1 p_err=$2 p_in=$3 p_mark=$4 p_cwd=$5 p_clear=$6 p_path=\n"
	"shift 6\n"
	"[ -e \"$p_out\" ] && [ -e \"$p_err\" ] || exit 126\n"
	"exec >>\"$p_out\" 2>>\"$p_err\"\n"
	"[ -z \"$p_in\" ] || exec <\"$p_in\"\n"
	"rm -f \"$p_out\" \"$p_err\" ${p_in:+\"$p_in\"}\n"
	"cd -- \"$p_cwd\" 2>/dev/null || { echo \"$p_mark-cwd\" >&2; exit 126; }\n"
	"[ -z \"$p_clear\" ] ||\n"
	"	for p_name in $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'); do unset $p_name; done\n"
	"while [ \"$1\" != -- ]; do export \"$1\"; shift; done\n"
	"shift\n"
	"[ \"${PATH+given}\" ] || { PATH=/usr/sbin:/usr/bin:/sbin:/bin; p_path=1; }\n"
	"case $1 in\n"
	"*/*) [ -e \"$1\" ] || { echo \"$p_mark-missing\" >&2; exit 127; }\n"
	"	{ [ -x \"$1\" ] && [ ! -d \"$1\" ]; } || { echo \"$p_mark-denied\" >&2; exit 126; } ;;\n"
	"*) command -v -- \"$1\" >/dev/null || { echo \"$p_mark-missing\" >&2; exit 127; } ;;\n"
	"esac\n"
	"[ -z \"$p_path\" ] || set -- env -u PATH \"$@\"\n"
	"unset p_out p_err p_in p_mark p_cwd p_clear p_name p_path\n"
	"exec \"$@\"\n";

struct paths {
	char out[PATH_SIZE], err[PATH_SIZE], in[PATH_SIZE];
};

static bool add(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0;
}

/* NULL if there is something in it that the protocol cannot carry. */
static json_t *exec_list(const struct qemu_process *process, const struct command *command, const struct paths *paths)
{
	/* With its path: the setsid of busybox would prefer the shell of busybox. */
	const char *const first[] = { "/bin/sh",
				      "-c",
				      wrapper,
				      "sh",
				      paths->out,
				      paths->err,
				      paths->in,
				      process->mark,
				      command->cwd ? command->cwd : "/",
				      command->env_clear ? "clear" : "" };
	json_t *list = json_array();
	bool good = true;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		good = good && add(list, first[i]);
	for (const char *const *env = command->env; env && *env; env++)
		good = good && add(list, *env);
	good = good && add(list, "--");
	for (const char *const *arg = command->argv; *arg; arg++)
		good = good && add(list, *arg);
	if (good)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *exec_request(const struct qemu_process *process, const struct command *command,
			    const struct paths *paths, struct error *err)
{
	json_t *list = exec_list(process, command, paths);
	json_t *request;

	if (!list) {
		error_set(err, EILSEQ,
			  "run `%s` in node `%s`: the guest agent takes only UTF-8 text; pass other bytes by stdin or "
			  "in a file",
			  command->argv[0], process->node->name);
		return NULL;
	}
	request = json_pack("{ss so sb}", "path", "setsid", "arg", list, "capture-output", 0);
	if (command->stdin_size && !*paths->in) {
		struct buffer text = { 0 };

		base64_encode(&text, command->stdin_data, command->stdin_size);
		json_object_set_new(request, "input-data", json_string(buffer_string(&text)));
		buffer_free(&text);
	}
	return request;
}

static void choose_names(struct qemu_process *process, const struct command *command, struct paths *paths)
{
	struct qemu_node *node = process->node;
	uint64_t random = clock_now();
	unsigned int number = ++node->last_file;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random ^= (uint64_t)number << 32;
	snprintf(process->mark, sizeof(process->mark), "%016llx", (unsigned long long)random);
	snprintf(paths->out, sizeof(paths->out), "%s/.provium-%u-%s.out", node->folder, number, process->mark);
	snprintf(paths->err, sizeof(paths->err), "%s/.provium-%u-%s.err", node->folder, number, process->mark);
	*paths->in = '\0';
	if (command->stdin_size > INLINE_INPUT)
		snprintf(paths->in, sizeof(paths->in), "%s/.provium-%u-%s.in", node->folder, number, process->mark);
}

/* In one round trip: without its files, the wrapper ends at once. Takes the request over. */
static int open_and_execute(struct qemu_process *process, const struct paths *paths, json_t *request,
			    uint64_t deadline_ns, struct error *err)
{
	struct agent_call calls[] = {
		{ .name = "guest-file-open", .arguments = agent_open_arguments(paths->out, "w+") },
		{ .name = "guest-file-open", .arguments = agent_open_arguments(paths->err, "w+") },
		{ .name = "guest-exec", .arguments = request },
	};
	json_int_t pid;

	if (agent_batch(&process->node->agent, calls, 3, deadline_ns, err))
		return -err->code;
	process->output = json_integer_value(calls[0].answer);
	process->errors = json_integer_value(calls[1].answer);
	process->is_open = calls[0].answer && calls[1].answer;
	pid = json_integer_value(json_object_get(calls[2].answer, "pid"));
	err->code = 0;
	for (int i = 2; i >= 0; i--) {
		if (!calls[i].answer)
			*err = calls[i].error;
		json_decref(calls[i].answer);
	}
	if (!err->code && pid <= 0)
		error_set(err, EBADMSG, "the guest agent started no process");
	if (!err->code)
		process->process.pid = (long)pid;
	return -err->code;
}

int qemu_process_launch(struct qemu_process *process, const struct command *command, uint64_t deadline_ns,
			struct error *err)
{
	struct agent *agent = &process->node->agent;
	json_t *request;
	struct paths paths;

	choose_names(process, command, &paths);
	request = exec_request(process, command, &paths, err);
	if (!request)
		return -err->code;
	if (*paths.in &&
	    agent_write_file(agent, paths.in, command->stdin_data, command->stdin_size, deadline_ns, err)) {
		json_decref(request);
		return qemu_explain(process->node, err);
	}
	return open_and_execute(process, &paths, request, deadline_ns, err) ? qemu_explain(process->node, err) : 0;
}
