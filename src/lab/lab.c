// SPDX-License-Identifier: GPL-2.0-only
/* Labs: what is in them, under which names, and for how long. */
#include "lab/lab.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/list.h"
#include "util/error.h"
#include "util/memory.h"

/*
 * The router's port, and words that the original of this tool keeps to itself. The methods of labs are not among them: there
 * are more with every version, and a script that calls a node like one asks for it by provium:vm("boot").
 */
static const char *const reserved_names[] = { "lab_fixture", "pack", "router", "unpack", "vm_fixture" };

/* What hosts.c writes beside, and the router's name, whatever the capitals. */
static const char *const host_names[] = { "localhost", "ip6-localhost", ROUTER_NAME };

struct lab *lab_new(struct run *run)
{
	struct lab *lab = memory_new(sizeof(*lab));

	lab->run = run;
	lab->refs = 1;
	return lab;
}

void lab_ref(struct lab *lab)
{
	lab->refs++;
}

void lab_unref(struct lab *lab)
{
	if (--lab->refs)
		return;
	lab_close(lab);
	free(lab->machines);
	free(lab->bridges);
	free(lab->labs);
	free(lab);
}

struct lab *lab_root(struct lab *lab)
{
	while (lab->parent)
		lab = lab->parent;
	return lab;
}

/* A lab at or below this one that holds the thing. */
static struct lab *find_holder(struct lab *lab, const void *thing)
{
	struct lab *found = NULL;

	for (size_t i = 0; i < lab->machine_count; i++)
		if (lab->machines[i] == thing)
			return lab;
	for (size_t i = 0; i < lab->bridge_count; i++)
		if (lab->bridges[i] == thing)
			return lab;
	for (size_t i = 0; i < lab->lab_count; i++)
		if (lab->labs[i] == thing)
			return lab;
	for (size_t i = 0; i < lab->lab_count && !found; i++)
		found = find_holder(lab->labs[i], thing);
	return found;
}

/* Takes the i-th out of the lab. Closed if no lab holds it any more; else at home with another that does. */
static void drop_machine(struct lab *lab, size_t i)
{
	struct machine *machine = lab->machines[i];

	LIST_REMOVE(lab->machines, lab->machine_count, i);
	if (!--machine->holders)
		machine_close(machine);
	else if (machine->home == lab)
		machine->home = find_holder(lab_root(lab), machine);
	machine_unref(machine);
}

static void drop_bridge(struct lab *lab, size_t i)
{
	struct bridge *bridge = lab->bridges[i];

	LIST_REMOVE(lab->bridges, lab->bridge_count, i);
	if (!--bridge->holders)
		bridge_close(bridge);
	else if (bridge->home == lab)
		bridge->home = find_holder(lab_root(lab), bridge);
	bridge_unref(bridge);
}

static void drop_lab(struct lab *lab, size_t i)
{
	struct lab *sub = lab->labs[i], *root = lab_root(lab);

	/* Closed while the root still leads to it: that is how its machines find the bridges that they are on. */
	if (!--sub->holders)
		lab_close(sub);
	LIST_REMOVE(lab->labs, lab->lab_count, i);
	if (sub->holders && sub->parent == lab)
		sub->parent = find_holder(root, sub);
	lab_unref(sub);
}

static bool is_listed(struct machine *const *list, size_t count, const struct machine *machine)
{
	bool listed = false;

	for (size_t i = 0; i < count && !listed; i++)
		listed = list[i] == machine;
	return listed;
}

/* A machine that two labs share comes by twice, as one in a lab that two labs share does. */
static void add_machines(const struct lab *lab, unsigned int depth, struct machine ***list, size_t *count)
{
	for (size_t i = 0; i < lab->machine_count; i++) {
		struct machine *machine = lab->machines[i];

		if (machine->depth >= depth && !is_listed(*list, *count, machine))
			LIST_ADD(*list, *count, machine);
	}
	for (size_t i = 0; i < lab->lab_count; i++)
		add_machines(lab->labs[i], depth, list, count);
}

size_t lab_machines(const struct lab *lab, struct machine ***machines)
{
	size_t count = 0;

	*machines = NULL;
	add_machines(lab, 0, machines, &count);
	return count;
}

/* All nodes of a scope of this depth or deeper at once, which is a matter of milliseconds for any number of them. */
static void end_nodes(const struct lab *lab, unsigned int depth)
{
	struct machine **machines = NULL;
	size_t count = 0;

	add_machines(lab, depth, &machines, &count);
	machines_end(machines, count);
	free(machines);
}

/* Whatever belongs to a scope of this depth or deeper: machines first, for they hang on bridges. */
static void close_deeper(struct lab *lab, unsigned int depth)
{
	for (size_t i = lab->lab_count; i-- > 0;) {
		struct lab *sub = lab->labs[i];

		if (sub->own_depth >= depth)
			drop_lab(lab, i);
		else
			close_deeper(sub, depth);
	}
	for (size_t i = lab->machine_count; i-- > 0;)
		if (lab->machines[i]->depth >= depth)
			drop_machine(lab, i);
	for (size_t i = lab->bridge_count; i-- > 0;)
		if (lab->bridges[i]->depth >= depth)
			drop_bridge(lab, i);
}

void lab_close(struct lab *lab)
{
	if (lab->closed)
		return;
	close_deeper(lab, 0);
	lab->closed = true;
	lab->parent = NULL;
}

static void set_depth(struct lab *lab, unsigned int depth)
{
	lab->depth = depth;
	for (size_t i = 0; i < lab->lab_count; i++)
		set_depth(lab->labs[i], depth);
}

void lab_begin_scope(struct lab *lab)
{
	set_depth(lab, lab->depth + 1);
}

void lab_end_scope(struct lab *lab)
{
	end_nodes(lab, lab->depth);
	close_deeper(lab, lab->depth);
	set_depth(lab, lab->depth - 1);
	lab_refresh(lab);
}

/*
 * A host's name (RFC 1123, and `_` beside), for that is what it becomes in nodes; where whoever looks a name up takes
 * what looks like a number for an address: inet_aton(3) knows decimal, octal and hexadecimal ones.
 */
static int check_host_name(const char *name, struct error *err)
{
	struct in_addr address;

	if (name[0] == '-' || name[strlen(name) - 1] == '-')
		return error_set(err, EINVAL, "the name `%s` begins or ends with `-`, which no host's name does", name);
	if (inet_aton(name, &address))
		return error_set(err, EINVAL,
				 "the name `%s` would be taken for an address in nodes (%s); put a letter in front",
				 name, inet_ntoa(address));
	for (size_t i = 0; i < sizeof(host_names) / sizeof(host_names[0]); i++)
		if (strcasecmp(name, host_names[i]) == 0)
			return error_set(err, EINVAL,
					 "the name `%s` means something else in nodes already; choose another", name);
	return 0;
}

int lab_check_name(const char *name, struct error *err)
{
	size_t length = strlen(name);

	if (length == 0 || length > NAME_LIMIT)
		return error_set(err, EINVAL, "the name `%.40s` has %zu characters; 1 to %d are allowed", name, length,
				 NAME_LIMIT);
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return error_set(err, EINVAL,
					 "the name `%s` has a character that is none of letters, digits, `-` and `_`",
					 name);
	for (size_t i = 0; i < sizeof(reserved_names) / sizeof(reserved_names[0]); i++)
		if (strcmp(name, reserved_names[i]) == 0)
			return error_set(err, EINVAL, "the name `%s` is reserved; choose another", name);
	return check_host_name(name, err);
}

/* Another machine or bridge of this lab that name look-ups do not tell apart from one of that name. */
static const char *find_similar(const struct lab *lab, const char *kind, const char *name)
{
	bool is_machine = strcmp(kind, "vm") == 0;

	for (size_t i = 0; is_machine && i < lab->machine_count; i++)
		if (strcasecmp(lab->machines[i]->name, name) == 0 && strcmp(lab->machines[i]->name, name) != 0)
			return lab->machines[i]->name;
	for (size_t i = 0; !is_machine && i < lab->bridge_count; i++)
		if (strcasecmp(lab->bridges[i]->name, name) == 0 && strcmp(lab->bridges[i]->name, name) != 0)
			return lab->bridges[i]->name;
	return NULL;
}

int lab_check_new_name(const struct lab *lab, const char *kind, const char *name, unsigned int existing_depth,
		       bool exists, struct error *err)
{
	const char *similar;

	if (lab->closed)
		return error_set(err, EINVAL, "this lab is closed");
	if (lab_check_name(name, err))
		return -err->code;
	similar = find_similar(lab, kind, name);
	if (similar)
		return error_set(
			err, EEXIST,
			"the names `%s` and `%s` differ in capitals alone, which name look-ups do not tell apart",
			similar, name);
	if (!exists)
		return 0;
	if (existing_depth < lab->depth)
		return error_set(
			err, EEXIST,
			"the name `%s` is already declared at a parent scope; use provium:%s(\"%s\") to get that "
			"one, or choose another name",
			name, kind, name);
	return error_set(err, EEXIST, "the name `%s` is already used; use provium:%s(\"%s\") to get that one", name,
			 kind, name);
}

struct machine *lab_find_machine(const struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->machine_count; i++)
		if (strcmp(lab->machines[i]->name, name) == 0)
			return lab->machines[i];
	return NULL;
}

struct bridge *lab_find_bridge(const struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->bridge_count; i++)
		if (strcmp(lab->bridges[i]->name, name) == 0)
			return lab->bridges[i];
	return NULL;
}

struct lab *lab_find_sub(const struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->lab_count; i++)
		if (strcmp(lab->labs[i]->name, name) == 0)
			return lab->labs[i];
	return NULL;
}

/* The first that is free. */
static void number_sub(const struct lab *lab, char name[static NAME_LIMIT + 1])
{
	size_t number = 0;

	do
		snprintf(name, NAME_LIMIT + 1, "__lab_%zu", number++);
	while (lab_find_sub(lab, name));
}

int lab_sub(struct lab *lab, const char *name, struct lab **result, struct error *err)
{
	char numbered[NAME_LIMIT + 1];
	struct lab *sub;

	if (!name)
		number_sub(lab, numbered);
	name = name ? name : numbered;
	*result = lab_find_sub(lab, name);
	if (*result)
		return 0;
	if (lab->closed)
		return error_set(err, EINVAL, "this lab is closed");
	if (lab_check_name(name, err))
		return -err->code;
	sub = lab_new(lab->run);
	snprintf(sub->name, sizeof(sub->name), "%s", name);
	sub->depth = sub->own_depth = lab->depth;
	sub->parent = lab;
	sub->holders = 1;
	sub->find_profile = lab->find_profile;
	sub->profile_context = lab->profile_context;
	LIST_ADD(lab->labs, lab->lab_count, sub);
	*result = sub;
	return 0;
}

int lab_include_machine(struct lab *lab, struct machine *machine, struct error *err)
{
	struct machine *same = lab_find_machine(lab, machine->name);

	if (same == machine)
		return 0;
	if (!machine->home)
		return error_set(err, EINVAL, "vm `%s` is closed; create a new one", machine->name);
	if (lab_check_new_name(lab, "vm", machine->name, same ? same->depth : 0, same != NULL, err))
		return -err->code;
	machine_ref(machine);
	machine->holders++;
	LIST_ADD(lab->machines, lab->machine_count, machine);
	lab_refresh(lab);
	return 0;
}

int lab_include_bridge(struct lab *lab, struct bridge *bridge, struct error *err)
{
	struct bridge *same = lab_find_bridge(lab, bridge->name);

	if (same == bridge)
		return 0;
	if (bridge->closed)
		return error_set(err, EINVAL, "bridge `%s` is closed; make a new one", bridge->name);
	if (lab_check_new_name(lab, "bridge", bridge->name, same ? same->depth : 0, same != NULL, err))
		return -err->code;
	bridge_ref(bridge);
	bridge->holders++;
	LIST_ADD(lab->bridges, lab->bridge_count, bridge);
	lab_refresh(lab);
	return 0;
}

int lab_remove_machine(struct lab *lab, struct machine *machine, struct error *err)
{
	for (size_t i = 0; i < lab->machine_count; i++) {
		if (lab->machines[i] == machine) {
			drop_machine(lab, i);
			lab_refresh(lab);
			return 0;
		}
	}
	return error_set(err, ENOENT, "no vm named `%s` in this lab", machine->name);
}

int lab_remove_bridge(struct lab *lab, struct bridge *bridge, struct error *err)
{
	for (size_t i = 0; i < lab->bridge_count; i++) {
		if (lab->bridges[i] == bridge) {
			drop_bridge(lab, i);
			lab_refresh(lab);
			return 0;
		}
	}
	return error_set(err, ENOENT, "no bridge named `%s` in this lab", bridge->name);
}

/* Whether the other lab is this one, or holds it, however deep. */
static bool is_within(const struct lab *lab, const struct lab *other)
{
	bool within = lab == other;

	for (size_t i = 0; i < other->lab_count && !within; i++)
		within = is_within(lab, other->labs[i]);
	return within;
}

int lab_include_lab(struct lab *lab, struct lab *other, struct error *err)
{
	struct lab *same = lab_find_sub(lab, other->name);

	if (is_within(lab, other))
		return error_set(err, EINVAL, "a lab cannot be put into itself");
	if (other->closed || lab->closed)
		return error_set(err, EINVAL, "this lab is closed");
	if (same == other)
		return 0;
	if (same)
		return error_set(err, EEXIST, "the name `%s` is already used by another sub-lab", other->name);
	lab_ref(other);
	other->holders++;
	LIST_ADD(lab->labs, lab->lab_count, other);
	lab_refresh(lab);
	return 0;
}

int lab_remove_lab(struct lab *lab, struct lab *other, struct error *err)
{
	for (size_t i = 0; i < lab->lab_count; i++) {
		if (lab->labs[i] == other) {
			drop_lab(lab, i);
			lab_refresh(lab);
			return 0;
		}
	}
	return error_set(err, ENOENT, "no lab named `%s` in this lab", other->name);
}
