// SPDX-License-Identifier: GPL-2.0-only
/* Machines: what a script calls a node or VM. Their life from creation to shutdown, whatever kind they are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/files.h"
#include "lab/heal.h"
#include "lab/host_needs.h"
#include "lab/lab.h"
#include "util/list.h"
#include "lab/losses.h"
#include "lab/run.h"
#include "net/link.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/proc.h"

static void free_files(struct machine_options *options)
{
	for (size_t i = 0; i < options->file_count; i++) {
		free(options->files[i].path);
		free(options->files[i].content);
	}
	free(options->files);
}

static void free_binds(struct machine_options *options)
{
	for (size_t i = 0; i < options->bind_count; i++) {
		free((char *)options->binds[i].host);
		free((char *)options->binds[i].guest);
	}
	free(options->binds);
}

/* All that `kept` has not taken over. */
static void free_options(struct machine_options *options, const struct machine_options *kept)
{
	if (options->files != kept->files)
		free_files(options);
	if (options->binds != kept->binds)
		free_binds(options);
	if (options->kernel_cmdline != kept->kernel_cmdline)
		free(options->kernel_cmdline);
	if (options->root != kept->root)
		free(options->root);
	if (options->disk != kept->disk)
		free(options->disk);
}

void machine_options_free(struct machine_options *options)
{
	free_options(options, &(struct machine_options){ 0 });
	*options = (struct machine_options){ 0 };
}

/* What is given takes the place of what was. */
static void set_options(struct machine_options *options, const struct machine_options *given)
{
	if (given->memory_bytes)
		options->memory_bytes = given->memory_bytes;
	if (given->cpus)
		options->cpus = given->cpus;
	if (given->kernel_cmdline)
		options->kernel_cmdline = given->kernel_cmdline;
	if (given->files) {
		options->files = given->files;
		options->file_count = given->file_count;
	}
	if (given->root)
		options->root = given->root;
	if (given->disk)
		options->disk = given->disk;
	if (given->binds) {
		options->binds = given->binds;
		options->bind_count = given->bind_count;
	}
	if (given->pids)
		options->pids = given->pids;
}

/* A script may run on one kind of node today and on another tomorrow: what would mean nothing there is refused. */
static int check_options(const struct machine_options *options, const struct node_kind *kind, const char *name,
			 struct error *err)
{
	const char *key = options->root ? "root" : options->binds ? "binds" : options->pids ? "pids" : NULL;

	if (kind->shares_kernel)
		return 0;
	if (options->disk)
		return error_set(
			err, EINVAL,
			"vm `%s`: `disk` is an option of namespace nodes; that of a guest is named by a profile", name);
	if (key)
		return error_set(
			err, EINVAL,
			"vm `%s`: `%s` is an option of namespace nodes, and this one is a guest; leave it out, or "
			"use profile \"%s\"",
			name, key, node_kind_netns.name);
	return 0;
}

int machine_new(struct lab *lab, const char *name, const char *profile, const struct machine_options *options,
		struct machine **result, struct error *err)
{
	struct machine *same = lab_find_machine(lab, name);
	const struct machine_profile *found;
	struct machine *machine;

	if (lab_check_new_name(lab, "vm", name, same ? same->depth : 0, same != NULL, err) ||
	    lab->find_profile(lab->profile_context, profile, &found, err) ||
	    check_options(options, found->kind, name, err))
		return -err->code;
	machine = memory_new(sizeof(*machine));
	machine->refs = 1;
	machine->holders = 1;
	machine->depth = lab->depth;
	snprintf(machine->name, sizeof(machine->name), "%s", name);
	machine->profile = memory_string(profile);
	machine->kind = found->kind;
	machine->defaults = found->config;
	machine->options = *options;
	machine->home = lab;
	machine->run = lab->run;
	LIST_ADD(lab->machines, lab->machine_count, machine);
	for (size_t i = 0; i < lab->bridge_count; i++)
		bridge_adopt(lab->bridges[i], machine);
	*result = machine;
	return 0;
}

void machine_ref(struct machine *machine)
{
	machine->refs++;
}

void machine_unref(struct machine *machine)
{
	if (--machine->refs)
		return;
	machine_options_free(&machine->options);
	free(machine->profile);
	free(machine);
}

/* Every bridge of every lab, for a machine may be attached to one that was included from elsewhere. */
static void each_bridge(const struct lab *lab, void (*each)(struct bridge *bridge, void *context), void *context)
{
	for (size_t i = 0; i < lab->bridge_count; i++)
		each(lab->bridges[i], context);
	for (size_t i = 0; i < lab->lab_count; i++)
		each_bridge(lab->labs[i], each, context);
}

struct member_search {
	const struct machine *machine;
	struct member **list;
	size_t count;
};

static void take_members(struct bridge *bridge, void *context)
{
	struct member_search *search = context;

	for (size_t i = 0; i < bridge->member_count; i++) {
		struct member *member = bridge->members[i];

		if (member->machine != search->machine || !member->attached)
			continue;
		/* A bridge that two labs share comes by twice. */
		for (size_t k = 0; k < search->count; k++)
			if (search->list[k] == member)
				return;
		LIST_ADD(search->list, search->count, member);
	}
}

static int by_bridge_name(const void *a, const void *b)
{
	return strcmp((*(struct member *const *)a)->bridge->name, (*(struct member *const *)b)->bridge->name);
}

size_t machine_members(const struct machine *machine, struct member ***members)
{
	struct member_search search = { .machine = machine };

	if (machine->home)
		each_bridge(lab_root(machine->home), take_members, &search);
	if (search.count)
		qsort(search.list, search.count, sizeof(*search.list), by_bridge_name);
	*members = search.list;
	return search.count;
}

/* All places of these machines that have a port. */
static size_t list_ports(struct machine **machines, size_t count, struct member ***ports)
{
	size_t port_count = 0;

	*ports = NULL;
	for (size_t i = 0; i < count; i++) {
		struct member **members;
		size_t member_count = machine_members(machines[i], &members);

		for (size_t k = 0; k < member_count; k++)
			if (members[k]->plugged)
				LIST_ADD(*ports, port_count, members[k]);
		free(members);
	}
	return port_count;
}

/* The ports of all of them in the switch, which go at once. */
static void delete_ports(struct machine **machines, size_t count)
{
	struct member **ports;
	size_t port_count = list_ports(machines, count, &ports);
	struct error ignored;
	int *indexes = memory_new((port_count + 1) * sizeof(*indexes));

	for (size_t i = 0; i < port_count; i++) {
		losses_of_port(ports[i]);
		indexes[i] = ports[i]->nic.ifindex;
	}
	/* Rules hold for as long as there is a port. */
	if (port_count)
		link_delete_many(machines[0]->run->nl, indexes, port_count, &ignored);
	for (size_t i = 0; i < port_count; i++)
		member_unplugged(ports[i]);
	free(indexes);
	free(ports);
}

static void drop_disk(struct machine *machine)
{
	if (machine->kept_disk > 0 && machine->kind->drop_disk)
		machine->kind->drop_disk(machine->kept_disk);
	else if (machine->kept_disk > 0)
		close(machine->kept_disk);
	machine->kept_disk = 0;
}

static void keep_disk(struct machine *machine, bool orderly)
{
	int disk = machine->node && machine->kind->keep_disk ? machine->kind->keep_disk(machine->node, orderly) : -1;

	if (disk < 0)
		return;
	drop_disk(machine);
	machine->kept_disk = disk;
}

/* Ends the nodes. The machines' places stay attached, without a port. */
static void end_nodes(struct machine **machines, size_t count, enum machine_state state)
{
	delete_ports(machines, count);
	for (size_t i = 0; i < count; i++) {
		if (machines[i]->node) {
			machines[i]->kind->close(machines[i]->node);
			host_needs_nodes(machines[i]->run, -1);
		}
		machines[i]->node = NULL;
		machines[i]->state = state;
	}
}

void machine_close(struct machine *machine)
{
	struct member **members;
	size_t count;
	struct error ignored;

	if (!machine->home)
		return;
	end_nodes(&machine, 1, MACHINE_SHUTDOWN);
	drop_disk(machine);
	count = machine_members(machine, &members);
	for (size_t i = 0; i < count; i++)
		bridge_detach(members[i]->bridge, machine->name, &ignored);
	free(members);
	machine->home = NULL;
}

enum machine_state machine_state(struct machine *machine)
{
	if ((machine->state == MACHINE_BOOTED || machine->state == MACHINE_PAUSED) &&
	    !machine->kind->is_alive(machine->node)) {
		keep_disk(machine, false);
		end_nodes(&machine, 1, MACHINE_DEAD);
	}
	return machine->state;
}

bool machine_is_down(struct machine *machine)
{
	enum machine_state state = machine_state(machine);

	return state == MACHINE_CREATED || state == MACHINE_SHUTDOWN || state == MACHINE_DEAD;
}

const char *machine_state_name(enum machine_state state)
{
	static const char *const names[] = {
		[MACHINE_CREATED] = "created", [MACHINE_BOOTING] = "booting",	[MACHINE_BOOTED] = "booted",
		[MACHINE_PAUSED] = "paused",   [MACHINE_SHUTDOWN] = "shutdown", [MACHINE_DEAD] = "dead",
	};

	return names[state];
}

/* what: "boot", as in "cannot boot". */
static int wrong_state(struct machine *machine, const char *what, struct error *err)
{
	static const char *const reasons[] = {
		[MACHINE_CREATED] = "VM not booted",
		[MACHINE_BOOTING] = "VM is still booting",
		[MACHINE_BOOTED] = "VM already booted",
		[MACHINE_PAUSED] = "VM is paused; use resume()",
		[MACHINE_SHUTDOWN] = "VM is shutdown; boot() starts it again",
		[MACHINE_DEAD] = "VM is dead: it ended by itself; boot() starts it again",
	};

	if (!machine->home)
		return error_set(err, EINVAL, "vm `%s` is closed; create a new one", machine->name);
	return error_set(err, EINVAL, "vm `%s`: %s (cannot %s)", machine->name, reasons[machine_state(machine)], what);
}

int machine_need_booted(struct machine *machine, const char *what, struct error *err)
{
	if (machine_state(machine) == MACHINE_BOOTED)
		return 0;
	return wrong_state(machine, what, err);
}

static int finish_boot(struct machine *machine, uint64_t deadline_ns, struct error *err)
{
	struct member **members;
	size_t count;

	/* Other errors of it name the node. */
	if (machine->kind->wait_ready(machine->node, deadline_ns, err))
		return err->code == EINTR ? error_wrap(err, "boot of vm `%s`", machine->name) : -err->code;
	count = machine_members(machine, &members);
	err->code = 0;
	for (size_t i = 0; i < count && !err->code; i++)
		member_plug(members[i], err);
	free(members);
	for (size_t i = 0; i < machine->options.file_count && !err->code; i++)
		files_write(machine, &machine->options.files[i], err);
	if (!err->code)
		machine->state = MACHINE_BOOTED;
	return -err->code;
}

/* What its profile says, and on top of it its options. */
static struct node_config configure(const struct machine *machine)
{
	const struct machine_options *options = &machine->options;
	struct node_config config = machine->defaults;

	config.name = machine->name;
	config.folder = machine->run->folder;
	config.kept_disk = machine->kept_disk;
	config.memory_bytes = options->memory_bytes ? options->memory_bytes : config.memory_bytes;
	config.cpus = options->cpus ? options->cpus : config.cpus;
	config.pids = options->pids ? options->pids : config.pids;
	if (options->kernel_cmdline)
		config.kernel_cmdline = options->kernel_cmdline;
	if (options->disk)
		config.disk = options->disk;
	if (options->root)
		config.root = strcmp(options->root, NODE_ROOT_OWN) == 0 ? NULL : options->root;
	if (options->binds) {
		config.binds = options->binds;
		config.bind_count = options->bind_count;
	}
	return config;
}

/* Once a run: it is the same for all of them. */
static void note_unkept(const struct machine *machine)
{
	const char *why = machine->kind->unkept ? machine->kind->unkept(machine->node) : NULL;

	if (why && !machine->run->unkept)
		machine->run->unkept = memory_string(why);
}

static int start_boot(struct machine *machine, struct error *err)
{
	struct node_config config = configure(machine);

	if (machine->kind->boot(&config, machine->run->nl, &machine->node, err))
		return -err->code;
	note_unkept(machine);
	host_needs_nodes(machine->run, 1);
	machine->started = proc_started(machine->kind->pid(machine->node));
	machine->state = MACHINE_BOOTING;
	return 0;
}

static void heal_booted(struct machine **machines, size_t count)
{
	struct member **arrived;
	size_t arrived_count = list_ports(machines, count, &arrived);

	heal_arrivals(arrived, arrived_count);
	free(arrived);
}

/* A disk that was there before is there afterwards. */
static void abandon_boot(struct machine **machines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (machines[i]->kept_disk)
			keep_disk(machines[i], false);
	end_nodes(machines, count, MACHINE_SHUTDOWN);
}

int machines_boot(struct machine **machines, size_t count, uint64_t deadline_ns, struct error *err)
{
	enum machine_state *before;
	size_t started, done = 0;
	int code;

	for (size_t i = 0; i < count; i++)
		if (!machines[i]->home || !machine_is_down(machines[i]))
			return wrong_state(machines[i], "boot", err);
	before = memory_new((count + 1) * sizeof(*before));
	for (size_t i = 0; i < count; i++)
		before[i] = machines[i]->state;
	err->code = 0;
	for (started = 0; started < count; started++)
		if (start_boot(machines[started], err))
			break;
	while (!err->code && done < count)
		finish_boot(machines[done++], deadline_ns, err);
	code = err->code;
	if (code)
		abandon_boot(machines, started);
	for (size_t i = 0; code && i < count; i++)
		machines[i]->state = before[i];
	free(before);
	if (count && !code) {
		heal_booted(machines, count);
		lab_refresh(machines[0]->home);
	}
	return -code;
}

int machine_boot(struct machine *machine, struct machine_options *options, uint64_t deadline_ns, struct error *err)
{
	struct machine_options before = machine->options;

	set_options(&machine->options, options);
	if (check_options(options, machine->kind, machine->name, err) || machines_boot(&machine, 1, deadline_ns, err)) {
		machine->options = before;
		machine_options_free(options);
		return -err->code;
	}
	free_options(&before, &machine->options);
	return 0;
}

void machines_end(struct machine **machines, size_t count)
{
	struct lab *home = NULL;

	for (size_t i = 0; i < count && !home; i++)
		home = machines[i]->home;
	end_nodes(machines, count, MACHINE_SHUTDOWN);
	if (home)
		lab_refresh(home);
}

void machines_shutdown(struct machine **machines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		keep_disk(machines[i], true);
	machines_end(machines, count);
}

int machine_reboot(struct machine *machine, bool orderly, struct machine_options *options, uint64_t deadline_ns,
		   struct error *err)
{
	if (machine_need_booted(machine, "reboot", err) || check_options(options, machine->kind, machine->name, err)) {
		machine_options_free(options);
		return -err->code;
	}
	keep_disk(machine, orderly);
	machines_end(&machine, 1);
	return machine_boot(machine, options, deadline_ns, err);
}

int machine_pause(struct machine *machine, struct error *err)
{
	if (machine_need_booted(machine, "pause", err) || machine->kind->pause(machine->node, err))
		return -err->code;
	machine->state = MACHINE_PAUSED;
	return 0;
}

void machine_heal(struct machine *machine)
{
	struct member **ports;
	size_t count = list_ports(&machine, 1, &ports);

	for (size_t i = 0; i < count; i++)
		heal_member(ports[i]);
	free(ports);
}

int machine_resume(struct machine *machine, struct error *err)
{
	if (machine_state(machine) == MACHINE_BOOTED)
		return error_set(err, EINVAL, "vm `%s`: VM is not paused (cannot resume)", machine->name);
	if (machine_state(machine) != MACHINE_PAUSED)
		return wrong_state(machine, "resume", err);
	if (machine->kind->resume(machine->node, err))
		return -err->code;
	machine->state = MACHINE_BOOTED;
	if (machine->kind->pause_silences)
		machine_heal(machine);
	return 0;
}

/* Those of the state `from`, or none. */
static int change_all(struct machine **machines, size_t count, enum machine_state from,
		      int (*change)(struct machine *machine, struct error *err),
		      int (*undo)(struct machine *machine, struct error *err), struct error *err)
{
	struct machine **changed = NULL;
	size_t changed_count = 0;
	struct error ignored;

	err->code = 0;
	for (size_t i = 0; i < count && !err->code; i++)
		if (machine_state(machines[i]) == from && change(machines[i], err) == 0)
			LIST_ADD(changed, changed_count, machines[i]);
	for (size_t i = 0; i < changed_count && err->code; i++)
		undo(changed[i], &ignored);
	free(changed);
	return -err->code;
}

int machines_pause(struct machine **machines, size_t count, struct error *err)
{
	return change_all(machines, count, MACHINE_BOOTED, machine_pause, machine_resume, err);
}

int machines_resume(struct machine **machines, size_t count, struct error *err)
{
	return change_all(machines, count, MACHINE_PAUSED, machine_resume, machine_pause, err);
}
