// SPDX-License-Identifier: GPL-2.0-only
/*
 * Publications: a TCP port of the host leads to a port of a node. A thread accepts in the host's namespace, connects from the
 * router's, and passes bytes on. It listens in the switch too, where the script's own child processes are. No rule of the host's firewall and no sysctl is touched for it, and it ends with the process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/list.h"
#include "lab/router_internal.h"
#include "lab/run.h"
#include "net/link.h"
#include "net/namespace.h"
#include "util/error.h"
#include "util/memory.h"

#define MAX_CONNECTIONS	 1024
#define BUFFER_SIZE	 65536
#define BACKLOG		 128
#define LOOPBACK_IFINDEX 1
#define FIRST_CONNECTION 3 /* of the descriptors of poll(): stop and the listeners come before */
#define FDS		 (FIRST_CONNECTION + 2 * MAX_CONNECTIONS)

/* One direction of a connection. */
struct flow {
	size_t start, end; /* of what is in the buffer */
	bool ended;	   /* the source has said all, and the target was told */
	char bytes[BUFFER_SIZE];
};

struct connection {
	int client, server;
	bool connecting;
	struct flow to_server, to_client;
};

struct publication {
	struct member *member;
	struct sockaddr_in target;
	int router_net;
	int listeners[2]; /* in the host's namespace, and in the switch */
	int stop;
	pthread_t thread;
	struct connection *connections[MAX_CONNECTIONS];
	size_t count;
};

const struct bridge *publication_bridge(const struct publication *publication)
{
	return publication->member->bridge;
}

struct listen_request {
	struct sockaddr_in address;
	int fd;
};

static int listen_here(void *context, struct error *err)
{
	struct listen_request *request = context;
	socklen_t size = sizeof(request->address);
	int on = 1;

	request->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (request->fd < 0)
		return error_errno(err, errno, "open a socket");
	setsockopt(request->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(request->fd, (struct sockaddr *)&request->address, size) || listen(request->fd, BACKLOG) ||
	    getsockname(request->fd, (struct sockaddr *)&request->address, &size)) {
		error_errno(err, errno, "listen on port %u of this machine", ntohs(request->address.sin_port));
		close(request->fd);
		return -err->code;
	}
	return 0;
}

static int open_socket(void *context, struct error *err)
{
	*(int *)context = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return *(int *)context < 0 ? error_errno(err, errno, "open a socket") : 0;
}

static void drop(struct publication *publication, size_t i)
{
	struct connection *connection = publication->connections[i];

	close(connection->client);
	if (connection->server >= 0)
		close(connection->server);
	free(connection);
	publication->connections[i] = publication->connections[--publication->count];
}

static void accept_one(struct publication *publication, int listener)
{
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *connection;
	struct error ignored;

	if (client < 0)
		return;
	connection = memory_new(sizeof(*connection));
	connection->client = client;
	connection->server = -1;
	connection->connecting = true;
	publication->connections[publication->count++] = connection;
	if (namespace_visit(publication->router_net, open_socket, &connection->server, &ignored) ||
	    (connect(connection->server, (struct sockaddr *)&publication->target, sizeof(publication->target)) &&
	     errno != EINPROGRESS))
		drop(publication, publication->count - 1);
}

/* Reads if the buffer is empty, and writes what it can. False if the connection is broken. */
static bool pass(struct flow *flow, int from, int to, short from_events)
{
	ssize_t size;

	if (flow->start == flow->end && !flow->ended && from_events & (POLLIN | POLLHUP | POLLERR)) {
		size = recv(from, flow->bytes, sizeof(flow->bytes), 0);
		if (size < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (size == 0) {
			flow->ended = true;
			shutdown(to, SHUT_WR);
		}
		flow->start = 0;
		flow->end = size > 0 ? (size_t)size : 0;
	}
	if (flow->start < flow->end) {
		size = send(to, flow->bytes + flow->start, flow->end - flow->start, MSG_NOSIGNAL);
		if (size < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		flow->start += size > 0 ? (size_t)size : 0;
	}
	return true;
}

/* False when the connection is over. */
static bool serve(struct connection *connection, short client_events, short server_events)
{
	int code = 0;
	socklen_t size = sizeof(code);

	if (connection->connecting) {
		if (!server_events)
			return true;
		if (getsockopt(connection->server, SOL_SOCKET, SO_ERROR, &code, &size) || code)
			return false;
		connection->connecting = false;
	}
	if (!pass(&connection->to_server, connection->client, connection->server, client_events) ||
	    !pass(&connection->to_client, connection->server, connection->client, server_events))
		return false;
	return !(connection->to_server.ended && connection->to_client.ended);
}

static short wanted(const struct flow *in, const struct flow *out)
{
	return (short)((in->start == in->end && !in->ended ? POLLIN : 0) | (out->start < out->end ? POLLOUT : 0));
}

static nfds_t fill(const struct publication *publication, struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = publication->stop, .events = POLLIN };
	for (size_t i = 0; i < 2; i++)
		fds[1 + i] = (struct pollfd){
			.fd = publication->count < MAX_CONNECTIONS ? publication->listeners[i] : -1,
			.events = POLLIN,
		};
	for (size_t i = 0; i < publication->count; i++) {
		const struct connection *connection = publication->connections[i];
		short client = connection->connecting ? 0 : wanted(&connection->to_server, &connection->to_client);
		short server =
			connection->connecting ? POLLOUT : wanted(&connection->to_client, &connection->to_server);

		/* One that nothing is wanted of would still report its end, again and again. */
		fds[FIRST_CONNECTION + 2 * i] =
			(struct pollfd){ .fd = client ? connection->client : -1, .events = client };
		fds[FIRST_CONNECTION + 1 + 2 * i] =
			(struct pollfd){ .fd = server ? connection->server : -1, .events = server };
	}
	return FIRST_CONNECTION + 2 * publication->count;
}

static void *run_thread(void *context)
{
	struct publication *publication = context;
	struct pollfd *fds = memory_new(FDS * sizeof(*fds));

	for (;;) {
		nfds_t count = fill(publication, fds);

		if (poll(fds, count, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			break;
		/* From the end, for drop() moves the last into the gap. */
		for (size_t i = publication->count; i-- > 0;)
			if (!serve(publication->connections[i], fds[FIRST_CONNECTION + 2 * i].revents,
				   fds[FIRST_CONNECTION + 1 + 2 * i].revents))
				drop(publication, i);
		for (size_t i = 0; i < 2; i++)
			if (fds[1 + i].revents && publication->count < MAX_CONNECTIONS)
				accept_one(publication, publication->listeners[i]);
	}
	free(fds);
	return NULL;
}

static void free_publication(struct publication *publication)
{
	for (size_t i = 0; i < 2; i++)
		if (publication->listeners[i] >= 0)
			close(publication->listeners[i]);
	if (publication->stop >= 0)
		close(publication->stop);
	free(publication);
}

void publication_close(struct publication *publication)
{
	uint64_t one = 1;

	if (write(publication->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(publication->thread, NULL);
	while (publication->count)
		drop(publication, 0);
	free_publication(publication);
}

/* Signals are the main thread's. */
static int start_thread(struct publication *publication, struct error *err)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&publication->thread, NULL, run_thread, publication);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code ? error_errno(err, code, "start a thread") : 0;
}

/* On the same port in both; the switch has no other listeners. */
static int open_listeners(struct publication *publication, struct run *run, struct sockaddr_in *address,
			  struct error *err)
{
	struct listen_request request = { .address = *address };

	if (namespace_visit(run->host, listen_here, &request, err))
		return -err->code;
	publication->listeners[0] = request.fd;
	*address = request.address;
	if (link_set_up(run->nl, LOOPBACK_IFINDEX, true, err) || listen_here(&request, err))
		return -err->code;
	publication->listeners[1] = request.fd;
	return 0;
}

int router_publish(struct member *member, uint16_t port, const char *host_address, uint16_t *host_port,
		   struct error *err)
{
	struct run *run = member->bridge->run;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(*host_port) };
	struct publication *publication;

	if (inet_pton(AF_INET, host_address, &address.sin_addr) != 1)
		return error_set(err, EINVAL,
				 "`address` is \"%s\"; an IPv4 address of this machine like \"127.0.0.1\" is accepted",
				 host_address);
	if (router_need(run, err))
		return -err->code;
	if (router_need_port(run->router, member->bridge, err)) {
		router_leave(run->router, member->bridge);
		return -err->code;
	}
	publication = memory_new(sizeof(*publication));
	publication->member = member;
	publication->router_net = run->router->net;
	publication->listeners[0] = publication->listeners[1] = -1;
	publication->stop = eventfd(0, EFD_CLOEXEC);
	publication->target = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	memcpy(&publication->target.sin_addr, member->nic.ip.bytes, sizeof(publication->target.sin_addr));
	if (open_listeners(publication, run, &address, err) || start_thread(publication, err)) {
		free_publication(publication);
		router_leave(run->router, member->bridge);
		return -err->code;
	}
	LIST_ADD(run->router->publications, run->router->publication_count, publication);
	*host_port = ntohs(address.sin_port);
	return 0;
}
