// SPDX-License-Identifier: GPL-2.0-only
/* Network cards as the guest has them: found by their MAC address, whatever the guest calls them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/route.h"
#include "node/qemu/qemu.h"
#include "util/error.h"

/*
 * Made of what every guest with a shell and iproute2 or busybox has; iproute2 takes it all in one go, which is quicker. A
 * guest's own rules may rename the card while this runs, so it begins anew a few times. accept_dad: addresses are of use at
 * once, for the lab gives each out once. The second name of the card is a comfort, and no error if it does not work.
 */
static const char configure_script[] = "mac=$1 ip=$2 ip6=$3 bridge=$4 device=\n"
				       "find() {\n"
				       "	for folder in /sys/class/net/*; do\n"
				       "		read -r address <\"$folder/address\" && [ \"$address\" = "
				       "\"$mac\" ] && device=${folder##*/} && return 0\n"
				       "	done 2>/dev/null\n"
				       "	return 1\n"
				       "}\n"
				       "at_once() {\n"
				       "	echo \"link set dev $device up\"\n"
				       "	[ -z \"$ip\" ] || echo \"addr replace $ip dev $device\"\n"
				       "	[ -z \"$ip6\" ] || echo \"addr replace $ip6 dev $device nodad\"\n"
				       "}\n"
				       "singly() {\n"
				       "	ip link set dev \"$device\" up || return 1\n"
				       "	[ -z \"$ip\" ] || ip addr add \"$ip\" dev \"$device\" || return 1\n"
				       "	[ -z \"$ip6\" ] || ip -6 addr add \"$ip6\" dev \"$device\"\n"
				       "}\n"
				       "configure() {\n"
				       "	for setting in accept_ra accept_dad router_solicitations; do\n"
				       "		echo 0 >\"/proc/sys/net/ipv6/conf/$device/$setting\"\n"
				       "	done 2>/dev/null\n"
				       "	at_once | ip -batch - 2>/dev/null || singly\n"
				       "}\n"
				       "n=0\n"
				       "until find && configure 2>/dev/null; do\n"
				       "	n=$((n + 1))\n"
				       "	if [ $n -ge 100 ]; then find || exit 3; configure; exit; fi\n"
				       "	sleep 0.03 2>/dev/null || sleep 1\n"
				       "done\n"
				       "ip link property add dev \"$device\" altname \"$bridge\" 2>/dev/null\n"
				       "echo \"$device\"\n";

/* A device that is down has no carrier to be read. */
static const char await_script[] = "n=0\n"
				   "while read -r carrier <\"/sys/class/net/$1/carrier\" &&\n"
				   "	read -r state <\"/sys/class/net/$1/operstate\" &&\n"
				   "	case $2$carrier$state in 01* | 10* | 11down) true ;; *) false ;; esac\n"
				   "do\n"
				   "	n=$((n + 1))\n"
				   "	[ $n -lt 100 ] || exit 0\n"
				   "	sleep 0.03 2>/dev/null || sleep 1\n"
				   "done 2>/dev/null\n"
				   ":\n";

static const char failed_neighbours_script[] =
	"ip neigh show dev \"$1\" 2>/dev/null | grep -e INCOMPLETE -e FAILED\n:\n";

#define ROUTE_METRIC 1024

/* Ours have a protocol number of their own, by which they are found again. */
static const char flush_script[] = "ip -4 route flush dev \"$1\" proto %d\n"
				   "ip -6 route flush dev \"$1\" proto %d\n"
				   "read -r index <\"/sys/class/net/$1/ifindex\"\n";

static void prefixed(const struct address *address, char text[static ADDRESS_TEXT_SIZE + 4])
{
	char plain[ADDRESS_TEXT_SIZE];

	*text = '\0';
	if (address->family)
		snprintf(text, ADDRESS_TEXT_SIZE + 4, "%s/%u", address_text(address, plain), address->prefix);
}

/* What the guest calls it, if that is a name at all. */
static void take_name(struct qemu_nic *nic, const struct buffer *answer)
{
	const char *text = buffer_string(answer);
	size_t length = strcspn(text, "\n");

	*nic->guest_name = '\0';
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)text[i]))
			return;
	if (length < sizeof(nic->guest_name))
		snprintf(nic->guest_name, sizeof(nic->guest_name), "%.*s", (int)length, text);
}

int guest_configure_nic(struct qemu_node *node, struct qemu_nic *nic, uint64_t deadline_ns, struct error *err)
{
	char mac[MAC_TEXT_SIZE], ip[ADDRESS_TEXT_SIZE + 4], ip6[ADDRESS_TEXT_SIZE + 4];
	const char *arguments[] = { mac, ip, ip6, nic->bridge_name, NULL };
	struct buffer answer = { 0 };

	mac_text(nic->wanted.mac, mac);
	prefixed(&nic->wanted.ip, ip);
	prefixed(&nic->wanted.ip6, ip6);
	if (qemu_run_script(node, configure_script, arguments, &answer, deadline_ns, err))
		return error_wrap(err, "configure the network card of bridge %s", nic->bridge_name);
	take_name(nic, &answer);
	buffer_free(&answer);
	nic->configured = true;
	return 0;
}

char *guest_routes_script(const struct node_route *routes, size_t count)
{
	struct buffer script = { 0 };

	buffer_printf(&script, flush_script, ROUTE_PROTOCOL, ROUTE_PROTOCOL);
	for (size_t i = 0; i < count; i++) {
		char to[ADDRESS_TEXT_SIZE + 4], via[ADDRESS_TEXT_SIZE];

		prefixed(&routes[i].destination, to);
		/* Two cards may lead to the same place: not the same route then. */
		buffer_printf(&script,
			      "ip %s route replace %s via %s dev \"$1\" proto %d metric $((%d + index)) || exit\n",
			      routes[i].gateway.family == AF_INET6 ? "-6" : "-4", to,
			      address_text(&routes[i].gateway, via), ROUTE_PROTOCOL, ROUTE_METRIC);
	}
	return script.data;
}

int guest_write_routes(struct qemu_node *node, struct qemu_nic *nic, uint64_t deadline_ns, struct error *err)
{
	const char *arguments[] = { nic->guest_name, NULL };

	err->code = 0;
	if (qemu_run_script(node, nic->routes, arguments, NULL, deadline_ns, err))
		error_wrap(err, "set the routes of %s", nic->guest_name);
	/* Routes that the guest refuses are not tried again with the next setting. */
	if (!err->code || err->code == EIO) {
		free(nic->routes);
		nic->routes = NULL;
	}
	return -err->code;
}

void guest_await_carrier(struct qemu_node *node, const struct qemu_nic *nic)
{
	const char *arguments[] = { nic->guest_name, nic->link_up ? "1" : "0", NULL };
	struct error ignored;

	if (guest_answers(node) && *nic->guest_name)
		qemu_run_script(node, await_script, arguments, NULL, guest_deadline(node), &ignored);
}

/* The first word of a line, if it is an address. */
static bool read_address(const char *line, struct address *address)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char word[ADDRESS_TEXT_SIZE] = "";
	size_t length = strcspn(line, " \t\n");

	if (length >= sizeof(word))
		return false;
	memcpy(word, line, length);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		*address = (struct address){ .family = families[i] };
		if (inet_pton(families[i], word, address->bytes) == 1)
			return true;
	}
	return false;
}

/* The commands that forget those of a list of `ip neigh` that are not spared, for a shell in which $1 is the device. */
static struct buffer forget_script(const char *list, const struct neighbour_choice *choice)
{
	struct buffer script = { 0 };

	for (const char *line = list; *line; line += *line == '\n') {
		struct address address;
		char text[ADDRESS_TEXT_SIZE];

		if (read_address(line, &address) && !(choice->spares && choice->spares(&address, choice->context)))
			buffer_printf(&script, "ip neigh flush to %s dev \"$1\"\n", address_text(&address, text));
		line += strcspn(line, "\n");
	}
	return script;
}

int guest_forget_neighbours(struct qemu_node *node, const struct qemu_nic *nic, const struct neighbour_choice *choice,
			    struct error *err)
{
	const char *arguments[] = { nic->guest_name, NULL };
	struct buffer list = { 0 }, script;
	int status;

	err->code = 0;
	if (!guest_answers(node) || !*nic->guest_name)
		return 0;
	if (qemu_run_script(node, failed_neighbours_script, arguments, &list, guest_deadline(node), err))
		return error_wrap(err, "list the neighbours of %s", nic->guest_name);
	script = forget_script(buffer_string(&list), choice);
	status = script.size ? qemu_run_script(node, buffer_string(&script), arguments, NULL, guest_deadline(node), err)
			     : 0;
	buffer_free(&script);
	buffer_free(&list);
	return status ? error_wrap(err, "forget neighbours of %s", nic->guest_name) : 0;
}
