// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/report.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_FDS (sizeof(struct view_files) / sizeof(int))

/* Those that there are, in the order of the structure: a number that is not negative says that the descriptor comes along. */
int report_send(int control, const struct boot_report *report)
{
	const int all[] = { report->files.etc, report->files.store };
	char space[CMSG_SPACE(sizeof(all))] = { 0 };
	struct iovec part = { (void *)report, sizeof(*report) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = space };
	struct cmsghdr *passed = (struct cmsghdr *)space;
	size_t count = 0;

	for (size_t i = 0; i < MAX_FDS; i++)
		if (all[i] >= 0)
			memcpy(CMSG_DATA(passed) + count++ * sizeof(int), &all[i], sizeof(int));
	*passed = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(count * sizeof(int)),
	};
	message.msg_controllen = count ? CMSG_SPACE(count * sizeof(int)) : 0;
	return sendmsg(control, &message, MSG_NOSIGNAL) == sizeof(*report) ? 0 : -1;
}

int report_take(int control, struct boot_report *report)
{
	int *all[] = { &report->files.etc, &report->files.store };
	int fds[MAX_FDS] = { -1, -1 };
	char space[CMSG_SPACE(sizeof(fds))];
	struct iovec part = { report, sizeof(*report) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	const struct cmsghdr *passed;
	size_t next = 0;

	if (recvmsg(control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(*report))
		return -1;
	passed = CMSG_FIRSTHDR(&message);
	if (passed && passed->cmsg_type == SCM_RIGHTS && passed->cmsg_len <= CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(passed), passed->cmsg_len - CMSG_LEN(0));
	for (size_t i = 0; i < MAX_FDS; i++)
		*all[i] = *all[i] >= 0 ? fds[next++] : -1;
	return 0;
}
