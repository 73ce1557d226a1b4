// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of a lab's description, as a process that may be anybody's wrote it: all of it is checked here, once, so that nobody
 * who uses it has to ask again what a member is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lab/lab.h"
#include "lab/registry.h"
#include "util/error.h"
#include "wire/wire.h"

#define MAX_PID	      (1 << 22) /* PID_MAX_LIMIT of the kernel, which no pid reaches */
#define MAX_NUMBER    ((1LL << 53) - 1)
#define REPAIRED_SIZE 3 /* bytes of U+FFFD, which stands in for each that is not UTF-8 */

static bool is_within(json_int_t number, json_int_t low, json_int_t high)
{
	return number >= low && number <= high;
}

static bool is_name(const char *name)
{
	struct error ignored;

	return !lab_check_name(name, &ignored);
}

/* What the kernel takes for the name of a device; "" where there is none. A host's may have any other character in it. */
static bool is_device(const char *name)
{
	return strlen(name) < (size_t)REPAIRED_SIZE * IFNAMSIZ && !strpbrk(name, "/: \t\n\v\f\r");
}

static bool is_address(int family, const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(family, text, bytes) == 1;
}

static bool is_state(const char *name)
{
	for (int state = MACHINE_CREATED; state <= MACHINE_DEAD; state++)
		if (strcmp(machine_state_name(state), name) == 0)
			return true;
	return false;
}

static bool is_kind(const char *name)
{
	return strcmp(name, node_kind_netns.name) == 0 || strcmp(name, node_kind_qemu.name) == 0;
}

static bool is_node(json_t *node)
{
	const char *name, *profile, *kind, *state;
	json_int_t pid, started;

	return !json_unpack_ex(node, NULL, JSON_STRICT, "{s:s, s:s, s:s, s:s, s:I, s:I}", "name", &name, "profile",
			       &profile, "kind", &kind, "state", &state, "pid", &pid, "started", &started) &&
	       is_name(name) && strlen(profile) <= REGISTRY_PROFILE_SIZE && is_kind(kind) && is_state(state) &&
	       is_within(pid, 0, MAX_PID) && started >= 0;
}

static bool is_member(json_t *member)
{
	const char *name, *device, *ip, *ip6;
	json_int_t port;

	return !json_unpack_ex(member, NULL, JSON_STRICT, "{s:s, s:I, s:s, s:s, s:s}", "name", &name, "port", &port,
			       "device", &device, "ip", &ip, "ip6", &ip6) &&
	       (is_name(name) || strcmp(name, ROUTER_NAME) == 0) && is_within(port, 1, BRIDGE_MAX_MEMBERS) &&
	       is_device(device) && is_address(AF_INET, ip) && is_address(AF_INET6, ip6);
}

static bool is_list(const json_t *list, bool (*is_one)(json_t *one))
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (!is_one(one))
			return false;
	return json_is_array(list);
}

static bool is_bridge(json_t *bridge)
{
	const char *name, *device;
	json_int_t number;
	json_t *members;

	return !json_unpack_ex(bridge, NULL, JSON_STRICT, "{s:s, s:s, s:I, s:o}", "name", &name, "device", &device,
			       "number", &number, "members", &members) &&
	       is_name(name) && is_device(device) && is_within(number, 1, UINT32_MAX) && is_list(members, is_member);
}

/* The lab of the file has no name. */
static bool is_lab(json_t *lab)
{
	json_t *nodes, *bridges;
	const char *name;

	return !json_unpack_ex(lab, NULL, JSON_STRICT, "{s:s, s:o, s:o}", "name", &name, "nodes", &nodes, "bridges",
			       &bridges) &&
	       (!*name || is_name(name)) && is_list(nodes, is_node) && is_list(bridges, is_bridge);
}

/* What they are the ids of, the kernel is asked. */
static bool is_ids(const json_t *ids)
{
	size_t count = 0;

	for (size_t i = 0; i < WIRE_OBJECTS; i++) {
		const json_t *id = json_object_get(ids, wire_objects[i].name);

		if (!id && wire_objects[i].is_optional)
			continue;
		if (!json_is_integer(id) || !is_within(json_integer_value(id), 1, UINT32_MAX))
			return false;
		count++;
	}
	return count == json_object_size(ids);
}

static bool is_whole(json_t *whole)
{
	json_int_t pid, seed, started;
	json_t *ids, *labs;
	const char *title;

	return !json_unpack_ex(whole, NULL, JSON_STRICT, "{s:I, s:s, s:I, s:I, s:o, s:o}", "pid", &pid, "title", &title,
			       "seed", &seed, "started", &started, "bpf", &ids, "labs", &labs) &&
	       is_within(pid, 1, MAX_PID) && strlen(title) <= REGISTRY_TITLE_SIZE && is_within(seed, 0, MAX_NUMBER) &&
	       is_within(started, 0, MAX_NUMBER) && is_ids(ids) && is_list(labs, is_lab);
}

json_t *registry_parse(const char *text, size_t size, struct error *err)
{
	json_error_t error;
	json_t *whole;

	if (size > REGISTRY_SIZE) {
		error_set(err, EFBIG, "the description of the lab has %zu bytes; %d are read", size, REGISTRY_SIZE);
		return NULL;
	}
	whole = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!whole) {
		error_set(err, EINVAL, "the description of the lab is not JSON: %s", error.text);
		return NULL;
	}
	if (is_whole(whole))
		return whole;
	json_decref(whole);
	error_set(err, EINVAL, "the description of the lab is not of the form that this provium knows");
	return NULL;
}
