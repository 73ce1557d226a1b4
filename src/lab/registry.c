// SPDX-License-Identifier: GPL-2.0-only
#include "lab/registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lab/lab.h"
#include "lab/run.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/utf8.h"
#include "wire/wire.h"

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
	json_t *list = json_object();
	struct error ignored;

	wire_ids(run->wire, &ids, &ignored);
	for (size_t i = 0; i < WIRE_OBJECTS; i++) {
		uint32_t id = *wire_id(&ids, &wire_objects[i]);

		if (id)
			json_object_set_new(list, wire_objects[i].name, json_integer(id));
	}
	return list;
}

static char *describe(struct run *run, const struct lab *root)
{
	json_t *labs = json_array(), *whole;
	char *text;

	describe_lab(root, labs);
	whole = json_pack("{si so sI sI so so}", "pid", (int)getpid(), "title",
			  make_text(run_title, REGISTRY_TITLE_SIZE), "seed", (json_int_t)run->seed, "started",
			  (json_int_t)run_started, "bpf", describe_ids(run), "labs", labs);
	text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	return text;
}

/* Nobody can change it from here on, who has got it by the name of its descriptor neither. */
static int make_file(const char *text)
{
	int fd = memfd_create(REGISTRY_FILE, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = strlen(text);

	if (fd >= 0 && (write(fd, text, size) != (ssize_t)size || fcntl(fd, F_ADD_SEALS, REGISTRY_SEALS))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Each description is a file of its own, which takes the place of the one before: so a reader has the one or the other. */
void registry_publish(struct run *run, const struct lab *root)
{
	char *text;
	int fd;

	if (run->registry < 0)
		run_started = time(NULL);
	text = describe(run, root);
	fd = text ? make_file(text) : -1;
	free(text);
	if (fd >= 0 && run->registry >= 0) {
		dup3(fd, run->registry, O_CLOEXEC);
		close(fd);
	} else if (fd >= 0) {
		run->registry = fd;
	} else {
		registry_close(run);
	}
}

void registry_close(struct run *run)
{
	fd_close(&run->registry);
}
