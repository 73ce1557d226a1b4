// SPDX-License-Identifier: GPL-2.0-only
#include "lab/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lab/lab.h"
#include "lab/run.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/units.h"
#include "util/utf8.h"
#include "wire/wire.h"

#define FILE_NAME "provium-lab"
#define LINK_TEXT "/memfd:" FILE_NAME " (deleted)"

static const char *run_title = "";
static time_t run_started;

void registry_set_title(const char *title)
{
	run_title = title;
}

/* Of bytes that may be no text: the path of a script, the name of a host's device. */
static json_t *make_text(const char *bytes, size_t most)
{
	struct buffer text = { 0 };
	json_t *value;

	utf8_repair(&text, bytes, strlen(bytes));
	value = json_stringn_nocheck(buffer_string(&text), utf8_cut(buffer_string(&text), text.size, most));
	buffer_free(&text);
	return value;
}

static json_t *describe_machine(struct machine *machine)
{
	return json_pack("{ss so ss ss si sI}", "name", machine->name, "profile",
			 make_text(machine->profile, REGISTRY_PROFILE_SIZE), "kind", machine->kind->name, "state",
			 machine_state_name(machine->state), "pid",
			 machine->node ? machine->kind->pid(machine->node) : 0, "started",
			 (json_int_t)(machine->node ? machine->started : 0));
}

static json_t *describe_bridge(const struct bridge *bridge)
{
	json_t *members = json_array();

	for (size_t i = 0; i < bridge->member_count; i++) {
		const struct member *member = bridge->members[i];
		char ip[ADDRESS_TEXT_SIZE], ip6[ADDRESS_TEXT_SIZE];

		if (!member->attached)
			continue;
		json_array_append_new(members,
				      json_pack("{ss si so ss ss}", "name", member->name, "port", member->port,
						"device", make_text(member->plugged ? member->port_name : "", SIZE_MAX),
						"ip", address_text(&member->nic.ip, ip), "ip6",
						address_text(&member->nic.ip6, ip6)));
	}
	return json_pack("{ss so sI so}", "name", bridge->name, "device", make_text(bridge->device, SIZE_MAX), "number",
			 (json_int_t)bridge->number, "members", members);
}

static void describe_lab(const struct lab *lab, json_t *list)
{
	json_t *nodes = json_array(), *bridges = json_array();

	for (size_t i = 0; i < lab->machine_count; i++)
		json_array_append_new(nodes, describe_machine(lab->machines[i]));
	for (size_t i = 0; i < lab->bridge_count; i++)
		json_array_append_new(bridges, describe_bridge(lab->bridges[i]));
	json_array_append_new(list, json_pack("{ss so so}", "name", lab->name, "nodes", nodes, "bridges", bridges));
	for (size_t i = 0; i < lab->lab_count; i++)
		describe_lab(lab->labs[i], list);
}

static json_t *describe_ids(const struct run *run)
{
	struct wire_ids ids = { 0 };
	struct error ignored;
	json_t *list;

	wire_ids(run->wire, &ids, &ignored);
	list = json_pack("{si si si si si si si si}", "wire_ingress", (int)ids.ingress, "wire_egress", (int)ids.egress,
			 "ports", (int)ids.ports, "links", (int)ids.links, "states", (int)ids.states, "counters",
			 (int)ids.counters, "control", (int)ids.control, "captures", (int)ids.captures);
	if (ids.events)
		json_object_set_new(list, "events", json_integer(ids.events));
	return list;
}

void registry_publish(struct run *run, const struct lab *root)
{
	json_t *labs = json_array(), *whole;
	char *text;

	if (run->registry < 0) {
		run->registry = memfd_create(FILE_NAME, MFD_CLOEXEC);
		run_started = time(NULL);
	}
	describe_lab(root, labs);
	whole = json_pack("{si so sI sI so so}", "pid", (int)getpid(), "title",
			  make_text(run_title, REGISTRY_TITLE_SIZE), "seed", (json_int_t)run->seed, "started",
			  (json_int_t)run_started, "bpf", describe_ids(run), "labs", labs);
	text = json_dumps(whole, JSON_COMPACT);
	/* A reader in between sees text that does not parse, and tries again. */
	if (text && (pwrite(run->registry, text, strlen(text), 0) < 0 || ftruncate(run->registry, (off_t)strlen(text))))
		registry_close(run);
	free(text);
	json_decref(whole);
}

void registry_close(struct run *run)
{
	if (run->registry >= 0)
		close(run->registry);
	run->registry = -1;
}

static json_t *read_description(const char *path)
{
	json_t *whole = NULL;

	for (int attempt = 0; attempt < 3 && !whole; attempt++)
		whole = json_load_file(path, 0, NULL);
	return whole;
}

/* The description of one process, NULL if it has none, or is not ours to see. */
static json_t *find_description(long pid)
{
	char path[280], target[64];
	struct dirent *entry;
	json_t *whole = NULL;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	fds = opendir(path);
	while (fds && !whole && (entry = readdir(fds))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%ld/fd/%s", pid, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, LINK_TEXT) == 0)
			whole = read_description(path);
	}
	if (fds)
		closedir(fds);
	/* A child between fork and exec has the same descriptors. */
	if (whole && json_integer_value(json_object_get(whole, "pid")) != pid) {
		json_decref(whole);
		whole = NULL;
	}
	return whole;
}

json_t *registry_list(void)
{
	json_t *list = json_array(), *one;
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	int64_t pid;

	while (processes && (entry = readdir(processes)))
		if (units_integer(entry->d_name, 1, INT32_MAX, &pid) && (one = find_description((long)pid)))
			json_array_append_new(list, one);
	if (processes)
		closedir(processes);
	return list;
}
