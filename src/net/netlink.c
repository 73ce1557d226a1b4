// SPDX-License-Identifier: GPL-2.0-only
#include "net/netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "util/error.h"
#include "util/memory.h"

#define REQUEST_SIZE   8192
#define ANSWER_SIZE    32768
#define ANSWER_SECONDS 10 /* the kernel answers at once; a lock that is held for longer is a fault to report */
#define DUMP_TRIES     20

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	bool overflow;
	struct nlmsghdr *request;
	char request_bytes[REQUEST_SIZE];
	char answer_bytes[ANSWER_SIZE];
};

int netlink_open(struct netlink **result, struct error *err)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct netlink *nl = memory_new(sizeof(*nl));
	int on = 1;

	*result = NULL;
	nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error_errno(err, errno, "open a rtnetlink socket");
		netlink_close(nl);
		return -err->code;
	}
	/* Explanations, and without a copy of the request in front of them. Both are a comfort, not a need. */
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(mnl_socket_get_fd(nl->socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	*result = nl;
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t size)
{
	nl->overflow = false;
	nl->request = mnl_nlmsg_put_header(nl->request_bytes);
	nl->request->nlmsg_type = type;
	nl->request->nlmsg_flags = NLM_F_REQUEST | flags;
	nl->request->nlmsg_seq = ++nl->sequence;
	memcpy(mnl_nlmsg_put_extra_header(nl->request, size), header, size);
}

void netlink_put(struct netlink *nl, uint16_t type, const void *data, size_t size)
{
	if (!mnl_attr_put_check(nl->request, REQUEST_SIZE, type, size, data))
		nl->overflow = true;
}

void netlink_put_u8(struct netlink *nl, uint16_t type, uint8_t value)
{
	netlink_put(nl, type, &value, sizeof(value));
}

void netlink_put_u16(struct netlink *nl, uint16_t type, uint16_t value)
{
	netlink_put(nl, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink *nl, uint16_t type, uint32_t value)
{
	netlink_put(nl, type, &value, sizeof(value));
}

void netlink_put_string(struct netlink *nl, uint16_t type, const char *text)
{
	netlink_put(nl, type, text, strlen(text) + 1);
}

struct nlattr *netlink_nest(struct netlink *nl, uint16_t type)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nl->request, REQUEST_SIZE, type);

	if (!nest)
		nl->overflow = true;
	return nest;
}

void netlink_nest_end(struct netlink *nl, struct nlattr *nest)
{
	if (nest)
		mnl_attr_nest_end(nl->request, nest);
}

void netlink_put_raw(struct netlink *nl, const void *data, size_t size)
{
	if (nl->request->nlmsg_len + MNL_ALIGN(size) > REQUEST_SIZE) {
		nl->overflow = true;
		return;
	}
	memcpy(mnl_nlmsg_put_extra_header(nl->request, size), data, size);
}

static int find_message(const struct nlattr *attr, void *context)
{
	const char **message = context;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		*message = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* The text of the extended ACK, NULL if the kernel gave none. Attributes follow the error header (NETLINK_CAP_ACK). */
static const char *explanation(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(answer);
	size_t offset = sizeof(*refusal);
	const char *message = NULL;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		offset += refusal->msg.nlmsg_len - sizeof(refusal->msg);
	if (mnl_nlmsg_get_payload_len(answer) > offset)
		mnl_attr_parse(answer, (unsigned int)offset, find_message, &message);
	return message;
}

struct answer {
	mnl_cb_t each;
	void *context;
	struct error *err;
	bool refused;	  /* by each() */
	bool interrupted; /* what a dump lists has changed meanwhile */
};

static int on_error(const struct nlmsghdr *message, void *context)
{
	const struct nlmsgerr *refusal = mnl_nlmsg_get_payload(message);
	struct answer *answer = context;
	const char *why;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*refusal)) {
		error_set(answer->err, EBADMSG, "the kernel's answer is cut short");
		return MNL_CB_ERROR;
	}
	if (!refusal->error)
		return MNL_CB_STOP;
	error_set(answer->err, -refusal->error, "%s", strerror(-refusal->error));
	why = explanation(message);
	if (why)
		error_append(answer->err, " (the kernel says: %s)", why);
	return MNL_CB_ERROR;
}

/* The end of a dump says how it went. */
static int on_done(const struct nlmsghdr *message, void *context)
{
	const int *status = mnl_nlmsg_get_payload(message);
	struct answer *answer = context;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*status) || *status >= 0)
		return MNL_CB_STOP;
	error_set(answer->err, -*status, "%s", strerror(-*status));
	return MNL_CB_ERROR;
}

static int on_data(const struct nlmsghdr *message, void *context)
{
	struct answer *answer = context;

	/* An answer is read to its end, which is NLMSG_DONE or the ACK that was asked for: it would disturb the next one. */
	if (answer->each && !answer->refused)
		answer->refused = answer->each(message, answer->context) < 0;
	return MNL_CB_OK;
}

/* Takes the flag away, with which libmnl would not read on. */
static bool was_interrupted(struct nlmsghdr *message, int size)
{
	bool interrupted = false;

	for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
		interrupted |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

/* Receives one datagram. Returns MNL_CB_OK if there is more to come, MNL_CB_STOP, or MNL_CB_ERROR. */
static int receive(struct netlink *nl, struct answer *answer)
{
	static mnl_cb_t control[] = { [NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done };
	ssize_t size = mnl_socket_recvfrom(nl->socket, nl->answer_bytes, sizeof(nl->answer_bytes));
	int status;

	if (size < 0 && errno == EINTR)
		return MNL_CB_OK;
	if (size < 0 && errno == EAGAIN)
		error_set(answer->err, ETIMEDOUT, "no answer from the kernel within %d s", ANSWER_SECONDS);
	else if (size < 0)
		error_errno(answer->err, errno, "receive the kernel's answer");
	if (size < 0)
		return MNL_CB_ERROR;
	answer->interrupted |= was_interrupted((struct nlmsghdr *)nl->answer_bytes, (int)size);
	status = mnl_cb_run2(nl->answer_bytes, (size_t)size, nl->sequence, mnl_socket_get_portid(nl->socket), on_data,
			     answer, control, MNL_ARRAY_SIZE(control));
	if (status >= 0 || answer->err->code)
		return status;
	/* By these two libmnl says that it is the rest of an answer to an earlier request, which had timed out. */
	if (errno == ESRCH || errno == EPROTO)
		return MNL_CB_OK;
	error_errno(answer->err, errno, "read the kernel's answer");
	return MNL_CB_ERROR;
}

static int transact(struct netlink *nl, mnl_cb_t each, void *context, struct error *err)
{
	struct answer answer = { .each = each, .context = context, .err = err };
	int status;

	if (nl->overflow)
		return error_set(err, EMSGSIZE, "the request has more attributes than fit into %d bytes", REQUEST_SIZE);
	if (mnl_socket_sendto(nl->socket, nl->request, nl->request->nlmsg_len) < 0)
		return error_errno(err, errno, "send a rtnetlink request");
	err->code = 0;
	do {
		status = receive(nl, &answer);
	} while (status > MNL_CB_STOP);
	if (status < 0)
		return -err->code;
	if (answer.interrupted)
		return error_set(err, EINTR, "what the kernel was to list has changed meanwhile");
	if (answer.refused)
		return error_set(err, EBADMSG, "the kernel's answer is not what was asked for");
	return 0;
}

int netlink_ack(struct netlink *nl, struct error *err)
{
	nl->request->nlmsg_flags |= NLM_F_ACK;
	return transact(nl, NULL, NULL, err);
}

int netlink_answers(struct netlink *nl, mnl_cb_t each, void *context, struct error *err)
{
	bool dump = (nl->request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	int status;

	if (!dump)
		nl->request->nlmsg_flags |= NLM_F_ACK;
	for (int tries = 1; tries < DUMP_TRIES; tries++) {
		status = transact(nl, each, context, err);
		if (!dump || status != -EINTR)
			return status;
		nl->request->nlmsg_seq = ++nl->sequence;
	}
	return transact(nl, each, context, err);
}
