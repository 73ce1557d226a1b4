// SPDX-License-Identifier: GPL-2.0-only
#include "lab/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/lab.h"
#include "util/error.h"
#include "util/memory.h"

#define DNS_PORT 53

/*
 * The host's name servers, but for those that only the host itself can reach: systemd-resolved listens on 127.0.0.53, and
 * keeps the list of its own servers beside.
 */
static bool read_resolver(const char *path, struct buffer *text)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		bool server = strncmp(line, "nameserver", strlen("nameserver")) == 0;

		if (server && (strstr(line, " 127.") || strstr(line, " ::1")))
			continue;
		found |= server;
		buffer_add(text, line, strlen(line));
	}
	if (file)
		fclose(file);
	return found;
}

/* The kernel lets a socket have an address of its own alone. */
static bool is_own(int family, const void *address)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ip;
		struct sockaddr_in6 ip6;
	} name = { .any.sa_family = (sa_family_t)family };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool own;

	if (family == AF_INET)
		memcpy(&name.ip.sin_addr, address, sizeof(name.ip.sin_addr));
	else
		memcpy(&name.ip6.sin6_addr, address, sizeof(name.ip6.sin6_addr));
	own = fd >= 0 && !bind(fd, &name.any, family == AF_INET ? sizeof(name.ip) : sizeof(name.ip6));
	if (fd >= 0)
		close(fd);
	return own;
}

static void find_own_servers(struct resolver *resolver)
{
	char *text = memory_string(buffer_string(&resolver->text)), *rest = text, *line;
	char server[ADDRESS_TEXT_SIZE];
	struct in6_addr address;

	while ((line = strsep(&rest, "\n"))) {
		int family;

		if (sscanf(line, "nameserver %45s", server) != 1)
			continue;
		family = strchr(server, ':') ? AF_INET6 : AF_INET;
		if (inet_pton(family, server, &address) == 1 && is_own(family, &address))
			buffer_printf(&resolver->own, "%s%s", resolver->own.size ? ", " : "", server);
	}
	free(text);
}

int resolver_find(void *context, struct error *err)
{
	struct resolver *resolver = context;

	if (!read_resolver("/etc/resolv.conf", &resolver->text)) {
		buffer_free(&resolver->text);
		read_resolver("/run/systemd/resolve/resolv.conf", &resolver->text);
	}
	find_own_servers(resolver);
	return err->code = 0;
}

static bool allows_dns(const struct bridge *bridge)
{
	for (size_t i = 0; i < bridge->host_port_count; i++)
		if (bridge->host_ports[i].udp && bridge->host_ports[i].first <= DNS_PORT &&
		    bridge->host_ports[i].last >= DNS_PORT)
			return true;
	return false;
}

void resolver_tell(const struct resolver *resolver, const struct bridge *bridge)
{
	if (!strstr(buffer_string(&resolver->text), "nameserver"))
		fprintf(stderr,
			"provium: nodes on bridge `%s` have no name server: this machine's are on loopback, where "
			"nodes do not "
			"reach them\n",
			bridge->name);
	if (resolver->own.size && !allows_dns(bridge))
		fprintf(stderr,
			"provium: the name server %s of this machine is this machine itself: nodes on bridge `%s` "
			"reach it "
			"after bridge:allow_host({port = 53, protocol = \"udp\"})\n",
			buffer_string(&resolver->own), bridge->name);
}

void resolver_free(struct resolver *resolver)
{
	buffer_free(&resolver->text);
	buffer_free(&resolver->own);
}
