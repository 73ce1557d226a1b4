// SPDX-License-Identifier: GPL-2.0-only
/* The run's side of the conversation with a node's init: see protocol.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/netns/netns.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/interrupt.h"
#include "util/limits.h"
#include "util/wait.h"

static int node_gone(struct netns_node *node, struct error *err)
{
	netns_processes_lost(node);
	return error_set(err, ESRCH, "node `%s` has ended", node->name);
}

/* An answer that came too late. What was started then has nobody who asks for it any more. */
static void forsake(const struct netns_node *node, int started)
{
	const struct netns_request request = { .kind = NETNS_KILL, .pid = started, .signal = SIGKILL };

	if (started > 0)
		send(node->control, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One answer. Returns its kind, or -errno: EAGAIN if there is none now. */
static int take_answer(struct netns_node *node, struct netns_answer *answer)
{
	ssize_t size = recv(node->control, answer, sizeof(*answer), MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN ? -EAGAIN : -ESRCH;
	if (size != sizeof(*answer))
		return -ESRCH;
	if (answer->kind == NETNS_ENDED)
		netns_process_ended(node, answer->pid, answer->value);
	else if (answer->number != node->awaited)
		forsake(node, answer->value);
	return (int)answer->kind;
}

bool netns_take_answers(struct netns_node *node)
{
	struct netns_answer answer;
	int kind;

	do
		kind = take_answer(node, &answer);
	while (kind >= 0);
	if (kind == -EAGAIN)
		return true;
	netns_processes_lost(node);
	return false;
}

/*
 * Not wait_poll(), which may ask the same init for something else meanwhile. What cleans up behind an interruption asks, too,
 * so an interruption counts only where there is no answer yet; one that comes later is nobody's.
 */
static int await_init(const struct netns_node *node, short events, uint64_t deadline_ns, struct error *err)
{
	struct pollfd control = { .fd = node->control, .events = events };

	for (;;) {
		if (wait_slice(&control, 1, deadline_ns) > 0)
			return 0;
		if (interrupt_pending(err))
			return -err->code;
		if (clock_now() >= deadline_ns)
			return error_set(err, ETIMEDOUT, "init of node `%s` does not answer", node->name);
	}
}

static int send_request(struct netns_node *node, const struct netns_request *request, const int *fds,
			uint64_t deadline_ns, struct error *err)
{
	char control[CMSG_SPACE(NETNS_FDS * sizeof(int))] = { 0 };
	struct iovec part = { (void *)request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fds) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(NETNS_FDS * sizeof(int)),
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, NETNS_FDS * sizeof(int));
	}
	while (sendmsg(node->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN)
			return node_gone(node, err);
		if (await_init(node, POLLOUT, deadline_ns, err))
			return -err->code;
	}
	return 0;
}

int netns_ask(struct netns_node *node, const struct netns_request *request, const int *fds, int *value,
	      struct error *err)
{
	struct netns_request numbered = *request;
	uint64_t deadline_ns = clock_after(node->patience_ns);
	struct netns_answer answer;
	int kind;

	/* 0 is the number of requests whose answers nobody waits for. */
	if (!++node->last_request)
		node->last_request = 1;
	numbered.number = node->last_request;
	if (send_request(node, &numbered, fds, deadline_ns, err))
		return -err->code;
	node->awaited = numbered.number;
	err->code = 0;
	do
		kind = take_answer(node, &answer);
	while (kind == NETNS_ENDED || (kind == NETNS_DONE && answer.number != numbered.number) ||
	       (kind == -EAGAIN && !await_init(node, POLLIN, deadline_ns, err)));
	node->awaited = 0;
	if (err->code)
		return -err->code;
	if (kind < 0)
		return node_gone(node, err);
	*value = answer.value;
	return 0;
}

static void add_string(struct buffer *strings, const char *text)
{
	buffer_add(strings, text, strlen(text) + 1);
}

/* Arguments, variables and folder in a memory file: a message has room for less than a command line may have. */
static int write_strings(const struct netns_node *node, const struct command *command, struct netns_request *request,
			 struct error *err)
{
	struct buffer strings = { 0 };
	int file = memfd_create("command", MFD_CLOEXEC);
	ssize_t written;

	for (const char *const *next = command->argv; *next; next++, request->arguments++)
		add_string(&strings, *next);
	for (const char *const *next = command->env; next && *next; next++, request->variables++)
		add_string(&strings, *next);
	request->any_folder = !command->cwd;
	add_string(&strings, command->cwd ? command->cwd : node->folder ? node->folder : "/");
	request->size = strings.size;
	written = file < 0 ? -1 : write(file, strings.data, strings.size);
	if (written != (ssize_t)strings.size) {
		error_errno(err, written < 0 ? errno : ENOMEM, "write a command line of %zu bytes", strings.size);
		fd_close(&file);
	}
	buffer_free(&strings);
	return file;
}

_Static_assert(COMMAND_GROUPS == INIT_GROUPS, "as many");

static void set_user(struct netns_request *request, const struct command_user *user)
{
	if (!user)
		return;
	request->uid = user->uid;
	request->gid = user->gid;
	request->group_count = (uint32_t)user->group_count;
	memcpy(request->groups, user->groups, user->group_count * sizeof(*user->groups));
}

int netns_ask_start(struct netns_node *node, const struct command *command, int fds[static NETNS_FDS], int *pid,
		    struct error *err)
{
	struct netns_request request = { .kind = NETNS_START, .clear = command->env_clear };
	int status;

	set_user(&request, command->user);
	fds[NETNS_FD_STRINGS] = write_strings(node, command, &request, err);
	if (fds[NETNS_FD_STRINGS] < 0)
		return -err->code;
	status = netns_ask(node, &request, fds, pid, err);
	close(fds[NETNS_FD_STRINGS]);
	if (!status && *pid < 0) {
		error_errno(err, -*pid, "start `%s` in node `%s`", command->argv[0], node->name);
		status = limits_explain_process(err);
	}
	return status;
}
