// SPDX-License-Identifier: GPL-2.0-only
#include "lab/strangers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/lab.h"
#include "util/list.h"
#include "lab/run.h"
#include "util/buffer.h"

struct stranger {
	unsigned int depth; /* of the scope that named it */
	char name[NAME_LIMIT + 1], bridge[NAME_LIMIT + 1];
};

static bool is_stranger(const struct member *member)
{
	return member->is_expected && !member->was_meant && !member->router;
}

void strangers_keep(const struct bridge *bridge)
{
	struct run *run = bridge->run;

	for (size_t i = 0; i < bridge->member_count; i++) {
		const struct member *member = bridge->members[i];
		struct stranger stranger = { .depth = member->expected_depth };

		if (!is_stranger(member))
			continue;
		strcpy(stranger.name, member->name);
		strcpy(stranger.bridge, bridge->name);
		LIST_ADD(run->strangers, run->stranger_count, stranger);
	}
}

static void add(struct buffer *names, const char *name, const char *bridge)
{
	buffer_printf(names, "%s`%s` (bridge `%s`)", names->size ? ", " : "", name, bridge);
}

static void add_open(struct lab *lab, unsigned int depth, struct buffer *names)
{
	for (size_t i = 0; i < lab->bridge_count; i++) {
		const struct bridge *bridge = lab->bridges[i];

		for (size_t k = 0; k < bridge->member_count; k++) {
			struct member *member = bridge->members[k];

			if (!is_stranger(member) || member->expected_depth < depth)
				continue;
			add(names, member->name, bridge->name);
			member->is_expected = false;
		}
	}
	for (size_t i = 0; i < lab->lab_count; i++)
		add_open(lab->labs[i], depth, names);
}

static void add_kept(struct run *run, unsigned int depth, struct buffer *names)
{
	size_t left = 0;

	for (size_t i = 0; i < run->stranger_count; i++) {
		if (run->strangers[i].depth >= depth)
			add(names, run->strangers[i].name, run->strangers[i].bridge);
		else
			run->strangers[left++] = run->strangers[i];
	}
	run->stranger_count = left;
}

static void tell(const struct buffer *names, struct buffer *text)
{
	buffer_printf(text,
		      "rules or filters name nodes that were never attached, and so mean nobody: %s; is that misspelt? "
		      "bridge:attach(\"name\") reserves the place of a node that comes later",
		      buffer_string(names));
}

bool strangers_tell(struct lab *root, unsigned int depth, struct buffer *text)
{
	struct buffer names = { 0 };
	bool any;

	add_open(root, depth, &names);
	add_kept(root->run, depth, &names);
	any = names.size > 0;
	if (any)
		tell(&names, text);
	buffer_free(&names);
	return any;
}

void strangers_close(struct run *run)
{
	struct buffer names = { 0 }, text = { 0 };

	add_kept(run, 0, &names);
	if (names.size) {
		tell(&names, &text);
		fprintf(stderr, "provium: %s\n", buffer_string(&text));
	}
	buffer_free(&names);
	buffer_free(&text);
	free(run->strangers);
}
