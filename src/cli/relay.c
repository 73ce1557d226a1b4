// SPDX-License-Identifier: GPL-2.0-only
#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

/* More than any pipe or terminal has room for, unless an administrator wants it so. */
#define REST (1 << 20)

/* So that what is opened gets none of these numbers. */
static int fill_standard(struct error *err)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return error_errno(err, errno, "open /dev/null");
	close(fd);
	return 0;
}

/* In the background, reading from it would stop this process; and what is typed is for somebody else. */
static bool is_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group >= 0 && group != getpgrp();
}

static void copy_size(const struct relay *relay)
{
	struct winsize size;

	if (relay->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(relay->master, TIOCSWINSZ, &size);
}

static int open_terminal(struct relay *relay, struct error *err)
{
	int unlock = 0;

	relay->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (relay->master < 0 || ioctl(relay->master, TIOCSPTLCK, &unlock))
		return error_errno(err, errno, "make a terminal");
	relay->terminal = ioctl(relay->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (relay->terminal < 0 || tcgetattr(STDIN_FILENO, &relay->before) ||
	    tcsetattr(relay->terminal, TCSANOW, &relay->before))
		return error_errno(err, errno, "make a terminal");
	copy_size(relay);
	relay->flows[RELAY_INPUT].to = relay->flows[RELAY_SCREEN].from = relay->master;
	relay->flows[RELAY_SCREEN].to = isatty(STDOUT_FILENO)	? STDOUT_FILENO
					: isatty(STDERR_FILENO) ? STDERR_FILENO
								: STDIN_FILENO;
	return 0;
}

static int open_pipe(struct relay *relay, int number, struct error *err)
{
	struct relay_flow *flow = &relay->flows[number];
	bool is_input = number == STDIN_FILENO;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return error_errno(err, errno, "make a pipe");
	relay->theirs[number] = ends[is_input ? 0 : 1];
	*(is_input ? &flow->to : &flow->from) = ends[is_input ? 1 : 0];
	return fcntl(ends[is_input ? 1 : 0], F_SETFL, O_NONBLOCK) ? error_errno(err, errno, "set up a pipe") : 0;
}

static int open_all(struct relay *relay, struct error *err)
{
	bool is_terminal = isatty(STDIN_FILENO), is_away = is_terminal && is_background();

	if (fill_standard(err) || (is_terminal && !is_away && open_terminal(relay, err)))
		return -err->code;
	for (int i = 0; i < 3; i++)
		if (relay->terminal >= 0 && isatty(i))
			relay->theirs[i] = relay->terminal;
		else if (open_pipe(relay, i, err))
			return -err->code;
	relay->flows[RELAY_OUTPUT].to = STDOUT_FILENO;
	relay->flows[RELAY_ERRORS].to = STDERR_FILENO;
	if (is_away)
		fd_close(&relay->flows[RELAY_INPUT].to);
	else
		relay->flows[RELAY_INPUT].from = STDIN_FILENO;
	return 0;
}

int relay_open(struct relay *relay, struct error *err)
{
	*relay = (struct relay){ .theirs = { -1, -1, -1 }, .terminal = -1, .master = -1 };
	for (int i = 0; i < RELAY_FLOWS; i++)
		relay->flows[i].from = relay->flows[i].to = -1;
	if (!open_all(relay, err))
		return 0;
	relay_close(relay);
	return -err->code;
}

/* But for the standard descriptors, and the one that is both ends of a terminal. */
static void close_end(const struct relay *relay, int *fd)
{
	if (*fd > STDERR_FILENO && *fd != relay->master)
		close(*fd);
	*fd = -1;
}

static void end_flow(const struct relay *relay, struct relay_flow *flow)
{
	close_end(relay, &flow->from);
	close_end(relay, &flow->to);
	flow->size = 0;
}

static void close_theirs(struct relay *relay)
{
	for (int i = 0; i < 3; i++)
		if (relay->theirs[i] != relay->terminal)
			fd_close(&relay->theirs[i]);
	fd_close(&relay->terminal);
}

void relay_close(struct relay *relay)
{
	close_theirs(relay);
	for (int i = 0; i < RELAY_FLOWS; i++)
		end_flow(relay, &relay->flows[i]);
	fd_close(&relay->master);
	if (relay->is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->before);
	relay->is_raw = false;
}

/* A step of what can be done now. Returns false if there is none. */
static bool move_on(const struct relay *relay, struct relay_flow *flow)
{
	ssize_t done = flow->size ? write(flow->to, flow->bytes + flow->sent, flow->size - flow->sent)
				  : read(flow->from, flow->bytes, sizeof(flow->bytes));

	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (done <= 0) {
		end_flow(relay, flow);
	} else if (!flow->size) {
		flow->size = (size_t)done;
		flow->sent = 0;
	} else if ((flow->sent += (size_t)done) == flow->size) {
		flow->size = 0;
	}
	return done > 0;
}

static void poll_flow(const struct relay_flow *flow, struct pollfd *fd)
{
	*fd = (struct pollfd){ .fd = flow->size ? flow->to : flow->from, .events = flow->size ? POLLOUT : POLLIN };
}

/* One that the terminal sends goes to all that are in its foreground, and so to the command's group. */
static void pass_on(const struct relay *relay, int number, pid_t child)
{
	if (number == SIGWINCH)
		copy_size(relay);
	else if (number != SIGCHLD && ((number != SIGINT && number != SIGQUIT) || kill(-child, number)))
		kill(child, number);
}

/* Returns 1 when the child has ended. */
static int await_end(struct relay *relay, int signals, pid_t child, int *status, struct error *err)
{
	struct pollfd fds[RELAY_FLOWS + 1];
	struct signalfd_siginfo signal;
	pid_t ended;

	while (!(ended = waitpid(child, status, WNOHANG))) {
		for (int i = 0; i < RELAY_FLOWS; i++)
			poll_flow(&relay->flows[i], &fds[i]);
		fds[RELAY_FLOWS] = (struct pollfd){ .fd = signals, .events = POLLIN };
		if (poll(fds, RELAY_FLOWS + 1, -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "wait for the command");
		for (int i = 0; i < RELAY_FLOWS; i++)
			if (fds[i].revents)
				move_on(relay, &relay->flows[i]);
		while (read(signals, &signal, sizeof(signal)) == sizeof(signal))
			pass_on(relay, (int)signal.ssi_signo, child);
	}
	return ended < 0 ? error_errno(err, errno, "wait for the command") : 0;
}

/* What was printed by the end is there to be read. */
static void take_rest(const struct relay *relay, struct relay_flow *flow)
{
	for (size_t taken = 0; flow->size || (flow->from >= 0 && taken < REST);) {
		struct pollfd fd;

		poll_flow(flow, &fd);
		if (flow->size)
			poll(&fd, 1, -1);
		if (!move_on(relay, flow) && !flow->size)
			break;
		taken += flow->size;
	}
}

static void make_raw(struct relay *relay)
{
	struct termios raw = relay->before;

	cfmakeraw(&raw);
	relay->is_raw = relay->master >= 0 && tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

int relay_run(struct relay *relay, pid_t child, int *status, struct error *err)
{
	static const int passed[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH, SIGCHLD };
	sigset_t all, before;
	int signals;

	close_theirs(relay);
	sigemptyset(&all);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&all, passed[i]);
	sigprocmask(SIG_BLOCK, &all, &before);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_errno(err, errno, "make a signalfd");
	signal(SIGPIPE, SIG_IGN);
	make_raw(relay);
	if (!await_end(relay, signals, child, status, err)) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		for (int i = RELAY_OUTPUT; i < RELAY_FLOWS; i++)
			take_rest(relay, &relay->flows[i]);
	}
	close(signals);
	return -err->code;
}
