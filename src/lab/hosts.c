// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: every machine finds every other one of its lab as b.lan, where `lan` is the bridge, and as b. It is all in
 * /etc/hosts, so that no packet is sent to find out.
 */
#include <stdlib.h>
#include <string.h>

#include "lab/lab.h"
#include "util/list.h"
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

/* What one machine sees: the bridges of all labs that it is in, and those that it is on. */
struct view {
	const char *reader;
	const struct bridge **bridges;
	size_t count;
	bool default_domain; /* no bridge is called lan: b.lan is as good as b */
};

static void add_bridge(struct view *view, const struct bridge *bridge)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->bridges[i] == bridge)
			return;
	LIST_ADD(view->bridges, view->count, bridge);
	if (strcmp(bridge->name, DEFAULT_DOMAIN) == 0)
		view->default_domain = false;
}

static void add_bridges(struct view *view, const struct lab *lab)
{
	for (size_t i = 0; i < lab->bridge_count; i++)
		add_bridge(view, lab->bridges[i]);
}

static void add_labs_with(struct view *view, const struct lab *lab, const struct machine *machine)
{
	for (size_t i = 0; i < lab->machine_count; i++)
		if (lab->machines[i] == machine)
			add_bridges(view, lab);
	for (size_t i = 0; i < lab->lab_count; i++)
		add_labs_with(view, lab->labs[i], machine);
}

/* Its home comes first, so that of two bridges of the same name the one at home is meant. */
static struct view look_around(const struct lab *root, const struct machine *machine)
{
	struct view view = { .reader = machine->name, .default_domain = true };
	struct member **members;
	size_t count = machine_members(machine, &members);

	add_bridges(&view, machine->home);
	add_labs_with(&view, root, machine);
	for (size_t i = 0; i < count; i++)
		add_bridge(&view, members[i]->bridge);
	free(members);
	return view;
}

/* Which of a name's bridges the short name means: the first that the reader is on too, else the first. */
static const struct bridge *home_bridge(const struct view *view, const char *name)
{
	const struct bridge *best = NULL;
	bool best_shared = false;

	for (size_t i = 0; i < view->count; i++) {
		const struct bridge *bridge = view->bridges[i];
		bool shared = is_on(bridge, view->reader);

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
	if (is_home && default_domain)
		buffer_printf(text, " %s." DEFAULT_DOMAIN, member->name);
	if (is_home)
		buffer_printf(text, " %s", member->name);
	buffer_add(text, "\n", 1);
}

static void write_hosts(const struct view *view, struct buffer *text)
{
	buffer_printf(text, "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
	for (size_t i = 0; i < view->count; i++) {
		const struct bridge *bridge = view->bridges[i];

		for (size_t k = 0; k < bridge->member_count; k++) {
			const struct member *member = bridge->members[k];
			bool is_home;

			if (!member->attached)
				continue;
			is_home = view->count == 1 || home_bridge(view, member->name) == bridge;
			add_line(text, &member->nic.ip, member, is_home, view->default_domain);
			add_line(text, &member->nic.ip6, member, is_home, view->default_domain);
		}
	}
}

/* On no bridge it has no address of one, but programs ask for their own (see hostname(1), and Debian's installer). */
static void write_own(const struct machine *machine, struct buffer *text)
{
	struct member **members;
	size_t count = machine_members(machine, &members);

	free(members);
	if (!count)
		buffer_printf(text, "127.0.1.1 %s\n", machine->name);
}

static void refresh_lab(const struct lab *root, const struct lab *lab)
{
	/* In a lab with one bridge, and no other lab around, all read the same. */
	bool same_for_all = root->lab_count == 0 && lab->bridge_count <= 1;
	struct buffer text = { 0 };
	size_t shared = 0;

	for (size_t i = 0; i < lab->machine_count; i++) {
		struct machine *machine = lab->machines[i];
		struct error ignored; /* a machine that died meanwhile needs no names */

		if (machine->home != lab || (machine->state != MACHINE_BOOTED && machine->state != MACHINE_PAUSED))
			continue;
		if (!text.size || !same_for_all) {
			struct view view = look_around(root, machine);

			buffer_free(&text);
			write_hosts(&view, &text);
			free(view.bridges);
			shared = text.size;
		}
		buffer_cut(&text, shared);
		write_own(machine, &text);
		machine->kind->set_hosts(machine->node, buffer_string(&text), &ignored);
	}
	buffer_free(&text);
	for (size_t i = 0; i < lab->lab_count; i++)
		refresh_lab(root, lab->labs[i]);
}

void lab_refresh(struct lab *lab)
{
	struct lab *root = lab_root(lab);

	refresh_lab(root, root);
	registry_publish(root->run, root);
}
