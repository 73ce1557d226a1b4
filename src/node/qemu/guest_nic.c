// SPDX-License-Identifier: GPL-2.0-only
/* Network cards as the guest has them: found by their MAC address, whatever the guest calls them. */
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
