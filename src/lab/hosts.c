// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: every machine finds every other one of its lab as b.lan, where `lan` is the bridge, and as b. It is all in
 * /etc/hosts, so that no packet is sent to find out.
 */
#include <stdlib.h>
#include <string.h>

#include "lab/lab.h"
#include "lab/registry.h"
#include "lab/run.h"
#include "util/buffer.h"
#include "util/error.h"

#define DEFAULT_DOMAIN "lan"

static bool is_on(const struct bridge *bridge, const char *name)
{
	const struct member *member = bridge_find(bridge, name);

	return member && member->attached;
}

/* Which of a name's bridges the short name means: the first that reader is on too, else the first. NULL if none. */
static const struct bridge *home_bridge(const struct lab *lab, const char *reader, const char *name)
{
	const struct bridge *best = NULL;
	bool best_shared = false;

	for (size_t i = 0; i < lab->bridge_count; i++) {
		const struct bridge *bridge = lab->bridges[i];
		bool shared = is_on(bridge, reader);

		if (!is_on(bridge, name) || (best_shared && !shared))
			continue;
		if (!best || (shared && !best_shared) || strcmp(bridge->name, best->name) < 0) {
			best = bridge;
			best_shared = shared;
		}
	}
	return best;
}

static void add_line(struct buffer *text, const struct address *address, const struct member *member, bool is_home,
		     bool default_domain)
{
	char ip[ADDRESS_TEXT_SIZE];

	buffer_printf(text, "%s %s.%s", address_text(address, ip), member->name, member->bridge->name);
	/* Where no bridge is called lan, b.lan is as good as b. */
	if (is_home && default_domain)
		buffer_printf(text, " %s." DEFAULT_DOMAIN, member->name);
	if (is_home)
		buffer_printf(text, " %s", member->name);
	buffer_add(text, "\n", 1);
}

static void hosts_text(const struct lab *lab, const char *reader, struct buffer *text)
{
	bool default_domain = !lab_find_bridge(lab, DEFAULT_DOMAIN);

	buffer_printf(text, "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
	for (size_t i = 0; i < lab->bridge_count; i++) {
		const struct bridge *bridge = lab->bridges[i];

		for (size_t k = 0; k < bridge->member_count; k++) {
			const struct member *member = bridge->members[k];
			bool is_home;

			if (!member->attached)
				continue;
			is_home = lab->bridge_count == 1 || home_bridge(lab, reader, member->name) == bridge;
			add_line(text, &member->nic.ip, member, is_home, default_domain);
			add_line(text, &member->nic.ip6, member, is_home, default_domain);
		}
	}
}

static void refresh_lab(const struct lab *lab)
{
	/* With one bridge, all read the same. */
	bool same_for_all = lab->bridge_count <= 1;
	struct buffer text = { 0 };

	for (size_t i = 0; i < lab->machine_count; i++) {
		struct machine *machine = lab->machines[i];
		struct error ignored; /* a machine that died meanwhile needs no names */

		if (machine->home != lab || (machine->state != MACHINE_BOOTED && machine->state != MACHINE_PAUSED))
			continue;
		if (!text.size || !same_for_all) {
			buffer_free(&text);
			hosts_text(lab, machine->name, &text);
		}
		machine->kind->set_hosts(machine->node, buffer_string(&text), &ignored);
	}
	buffer_free(&text);
	for (size_t i = 0; i < lab->lab_count; i++)
		refresh_lab(lab->labs[i]);
}

void lab_refresh(struct lab *lab)
{
	while (lab->parent)
		lab = lab->parent;
	refresh_lab(lab);
	registry_publish(lab->run, lab);
}
