// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the uplink lets through, as chains of nft. In the router: what leaves by it has an address of the bridge that it came from,
 * and gets that bridge's address on the link. So the host, which knows no bridges, can tell them apart, and lets each in to the
 * ports that it was allowed.
 */
#include <sys/socket.h>

#include "lab/router_internal.h"
#include "util/buffer.h"

#define UNREACHABLE "reject with icmpx admin-prohibited\n"

static const char *family_word(const struct address *address)
{
	return address->family == AF_INET ? "ip" : "ip6";
}

/* Not at postrouting, where the device that it came in by is not known. The mark is the bridge's number on the link. */
static void mark_bridge(struct buffer *text, const struct bridge *bridge)
{
	const struct address *subnets[] = { &bridge->subnet, &bridge->subnet6 };
	const char *device = bridge->members[0]->nic.guest_name;
	char subnet[ADDRESS_TEXT_SIZE + 4];

	for (size_t i = 0; i < sizeof(subnets) / sizeof(subnets[0]); i++) {
		subnet_text(subnets[i], subnet);
		buffer_printf(text, "\t\tiifname \"%s\" %s saddr %s meta mark set %u accept\n", device,
			      family_word(subnets[i]), subnet, bridge->uplink_host);
	}
}

static void translate(struct buffer *text, const struct bridge *bridge, const struct address *link)
{
	struct address address = subnet_host(link, bridge->uplink_host);
	char source[ADDRESS_TEXT_SIZE];

	buffer_printf(text, "\t\toifname \"" UPLINK_DEVICE "\" meta mark %u snat %s to %s\n", bridge->uplink_host,
		      family_word(link), address_text(&address, source));
}

void uplink_router_rules(struct buffer *text, const struct router *router, const struct address *link,
			 const struct address *link6)
{
	buffer_printf(text, "\tchain leaving {\n\t\ttype filter hook forward priority filter; policy accept;\n"
			    "\t\toifname != \"" UPLINK_DEVICE "\" accept\n");
	for (size_t i = 0; i < router->uplinked_count; i++)
		mark_bridge(text, router->uplinked[i]);
	buffer_printf(text, "\t\tdrop\n\t}\n\tchain outgoing {\n"
			    "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (size_t i = 0; i < router->uplinked_count; i++) {
		translate(text, router->uplinked[i], link);
		translate(text, router->uplinked[i], link6);
	}
	buffer_printf(text, "\t}\n");
}

static void allow_ports(struct buffer *text, const struct bridge *bridge, const struct address *link)
{
	struct address address = subnet_host(link, bridge->uplink_host);
	char source[ADDRESS_TEXT_SIZE];

	address_text(&address, source);
	for (size_t i = 0; i < bridge->host_port_count; i++) {
		const struct host_ports *ports = &bridge->host_ports[i];

		buffer_printf(text, "\t\t%s saddr %s %s dport %u-%u accept\n", family_word(link), source,
			      ports->udp ? "udp" : "tcp", ports->first, ports->last);
	}
}

/*
 * Before the host's own rules turn a port of it into one of a container, and whatever these accept: what one chain drops, no other
 * can bring back. An address is the host's if its kernel says so at that moment.
 */
static void guard_host(struct buffer *text, const struct router *router, const char *device, const struct address *link,
		       const struct address *link6)
{
	buffer_printf(text,
		      "\tchain incoming {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		      "\t\tiifname != \"%s\" accept\n"
		      "\t\tfib daddr type unicast accept\n"
		      /* What the host itself began, and what is said about what was let in. */
		      "\t\tct state established ct direction reply accept\n"
		      "\t\tmeta l4proto { icmp, ipv6-icmp } ct state related accept\n"
		      "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n",
		      device);
	for (size_t i = 0; i < router->uplinked_count; i++) {
		allow_ports(text, router->uplinked[i], link);
		allow_ports(text, router->uplinked[i], link6);
	}
	buffer_printf(text, "\t\t" UNREACHABLE "\t}\n");
}

void uplink_host_rules(struct buffer *text, const struct router *router, const char *device, const struct address *link,
		       const struct address *link6)
{
	char subnet[ADDRESS_TEXT_SIZE + 4], subnet6[ADDRESS_TEXT_SIZE + 4];

	subnet_text(link, subnet);
	subnet_text(link6, subnet6);
	guard_host(text, router, device, link, link6);
	/* Another run's link is no way into that run. */
	buffer_printf(text,
		      "\tchain between {\n\t\ttype filter hook forward priority filter; policy accept;\n"
		      "\t\tiifname \"%s\" oifname \"provium*\" " UNREACHABLE "\t}\n"
		      "\tchain outgoing {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
		      "\t\tip saddr %s masquerade\n\t\tip6 saddr %s masquerade\n\t}\n",
		      device, subnet, subnet6);
}
