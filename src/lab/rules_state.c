// SPDX-License-Identifier: GPL-2.0-only
/* All rules of a bridge, by names: read, and put in force in the place of those that are there. */
#include <errno.h>

#include "lab/heal.h"
#include "lab/lab.h"
#include "lab/rules.h"
#include "lab/rules_internal.h"
#include "lab/run.h"
#include "util/error.h"
#include "wire/wire.h"

struct visit {
	const struct bridge *bridge;
	void (*each)(const struct named_link *link, void *context);
	void *context;
};

/* Places are in the order of their ports, which count from 1. */
static const char *name_of(const struct bridge *bridge, uint32_t port)
{
	return port ? bridge->members[port - 1]->name : NULL;
}

static void visit_link(const struct wire_key *key, const struct wire_link *link, void *context)
{
	const struct visit *visit = context;
	struct named_link named = {
		.from = name_of(visit->bridge, key->from),
		.to = name_of(visit->bridge, key->to),
		.link = *link,
	};

	/* That follows from others: see medium.c. */
	named.link.lifted = false;
	if (!wire_is_nothing(&named.link))
		visit->each(&named, visit->context);
}

void rules_each(const struct bridge *bridge, void (*each)(const struct named_link *link, void *context), void *context)
{
	struct visit visit = { .bridge = bridge, .each = each, .context = context };

	wire_each_link(bridge->run->wire, bridge->number, visit_link, &visit);
}

static void take_away(const struct wire_key *key, const struct wire_link *link, void *context)
{
	const struct wire_change change = { .key = *key };

	(void)link;
	wire_change(context, &change);
}

static int add_link(struct bridge *bridge, const struct named_link *named, struct wire_changes *changes,
		    struct error *err)
{
	struct member *from = named->from ? bridge_place(bridge, named->from, err) : NULL;
	struct member *to = named->to && (from || !named->from) ? bridge_place(bridge, named->to, err) : NULL;
	struct wire_change change = { .key = rules_key(bridge, from, to), .link = named->link };

	if ((named->from && !from) || (named->to && !to) || rules_check_link(bridge, &named->link, err))
		return -err->code;
	change.link.salt = rules_salt(bridge, from, to);
	rules_number(bridge, &change);
	wire_change(changes, &change);
	return 0;
}

int rules_replace(struct bridge *bridge, const struct named_link *links, size_t count, struct error *err)
{
	struct wire_changes changes = { 0 };

	wire_each_link(bridge->run->wire, bridge->number, take_away, &changes);
	for (size_t i = 0; i < count; i++) {
		if (add_link(bridge, &links[i], &changes, err)) {
			wire_forget_changes(&changes);
			return -err->code;
		}
	}
	return heal_commit(bridge, &changes, err);
}
