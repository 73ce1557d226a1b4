// SPDX-License-Identifier: GPL-2.0-only
/* Nodes: what scripts call a vm. Commands in them are in process.c, files in files.c. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "net/link.h"
#include "script/internal.h"
#include "util/clock.h"
#include "util/memory.h"

#define MAX_CPUS 255
#define MAX_MODE 07777

static struct machine *check_vm(lua_State *L)
{
	return script_check_object(L, 1, &script_class_vm);
}

static void read_file_option(lua_State *L, int index, struct machine_file *file)
{
	const char *path = NULL;
	int content = 0;
	uint64_t mode = 0;
	const struct option keys[] = {
		{ "path", OPTION_STRING, &path },
		{ "content", OPTION_VALUE, &content },
		{ "mode", OPTION_INTEGER, &mode, .limit = MAX_MODE },
	};
	const char *bytes;

	SCRIPT_READ_OPTIONS(L, index, keys);
	if (!path || *path != '/')
		script_fail(L, "each of `files` needs a `path` that begins with /");
	if (lua_type(L, content) != LUA_TSTRING)
		script_refuse(L, content, "content", "a string");
	bytes = lua_tolstring(L, content, &file->size);
	file->path = (char *)path;
	file->content = (char *)bytes;
	file->mode = (unsigned int)mode;
	lua_pop(L, 1);
}

/* Two passes: what can be refused is read before anything is allocated. */
static void read_files_option(lua_State *L, int index, struct machine_options *options)
{
	size_t count;
	struct machine_file *files;

	count = script_check_list(L, index, "files", "a list of tables of path, content and mode");
	files = lua_newuserdatauv(L, (count + 1) * sizeof(*files), 0);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		read_file_option(L, lua_gettop(L), &files[i]);
		lua_pop(L, 1);
	}
	/* None is other than not given. */
	options->files = memory_new((count + 1) * sizeof(*files));
	options->file_count = count;
	for (size_t i = 0; i < count; i++) {
		options->files[i].path = memory_string(files[i].path);
		options->files[i].content = memory_new(files[i].size + 1);
		memcpy(options->files[i].content, files[i].content, files[i].size);
		options->files[i].size = files[i].size;
		options->files[i].mode = files[i].mode;
	}
}

/* What the node is to see of this machine. */
struct places {
	const char *root, *disk;
	int binds_index;
	const struct node_bind *binds;
	size_t bind_count;
};

/* Nothing is allocated that Lua does not free. */
static void push_places(lua_State *L, struct places *places)
{
	const char *folder = script_push_folder(L);

	if (places->root)
		places->root = script_push_root(L, folder, places->root);
	if (places->disk)
		places->disk = script_push_place_folder(L, "disk", folder, places->disk);
	if (!lua_isnil(L, places->binds_index))
		places->binds = script_push_binds(L, places->binds_index, folder, &places->bind_count);
}

static void copy_places(const struct places *places, struct machine_options *options)
{
	options->root = places->root ? memory_string(places->root) : NULL;
	options->disk = places->disk ? memory_string(places->disk) : NULL;
	if (!places->binds)
		return;
	/* None is other than not given. */
	options->binds = memory_new((places->bind_count + 1) * sizeof(*options->binds));
	options->bind_count = places->bind_count;
	for (size_t i = 0; i < places->bind_count; i++)
		options->binds[i] = (struct node_bind){
			.host = memory_string(places->binds[i].host),
			.guest = memory_string(places->binds[i].guest),
			.read_only = places->binds[i].read_only,
		};
}

/* What is not given stays 0. */
void script_read_machine_options(lua_State *L, int index, struct machine_options *options, uint64_t *timeout_ns)
{
	const char *cmdline = NULL, *more_cmdline = NULL;
	uint64_t cpus = 0;
	int files = 0;
	struct places places = { 0 };
	const struct option keys[] = {
		{ "memory", OPTION_QUANTITY, &options->memory_bytes, .quantity = QUANTITY_SIZE },
		{ "cpus", OPTION_INTEGER, &cpus, .limit = MAX_CPUS },
		{ "kernel_cmdline", OPTION_STRING, &cmdline },
		{ "kernel_cmdline_append", OPTION_STRING, &more_cmdline },
		{ "files", OPTION_VALUE, &files },
		{ "root", OPTION_STRING, &places.root },
		{ "binds", OPTION_VALUE, &places.binds_index },
		{ "disk", OPTION_STRING, &places.disk },
		{ "pids", OPTION_INTEGER, &options->pids, .limit = SCRIPT_MAX_PIDS },
		{ "rng_seed", OPTION_LATER },
		{ "initial_time", OPTION_LATER },
		{ "disks", OPTION_LATER },
		{ "timeout", OPTION_QUANTITY, timeout_ns, .quantity = QUANTITY_DURATION },
		{ "agent_timeout", OPTION_QUANTITY, timeout_ns, .quantity = QUANTITY_DURATION },
	};

	script_read_options(L, index, keys, sizeof(keys) / sizeof(keys[0]) - (timeout_ns ? 0 : 2));
	push_places(L, &places);
	if (!lua_isnil(L, files))
		read_files_option(L, files, options);
	copy_places(&places, options);
	options->cpus = (unsigned int)cpus;
	/* Both are added to the kernel's own. */
	if (cmdline && more_cmdline)
		options->kernel_cmdline = memory_string(lua_pushfstring(L, "%s %s", cmdline, more_cmdline));
	else if (cmdline || more_cmdline)
		options->kernel_cmdline = memory_string(cmdline ? cmdline : more_cmdline);
}

int script_vm_boot_all(lua_State *L, struct machine **machines, size_t count, uint64_t timeout_ns)
{
	struct error err;

	if (machines_boot(machines, count, clock_after(timeout_ns), &err))
		return script_raise(L, &err);
	for (size_t i = 0; i < count; i++)
		script_start_main(L, machines[i]);
	return 0;
}

static uint64_t read_boot_options(lua_State *L, struct machine_options *options)
{
	uint64_t timeout_ns = MACHINE_BOOT_NS;

	if (!lua_isnoneornil(L, 2))
		script_read_machine_options(L, 2, options, &timeout_ns);
	return clock_after(timeout_ns);
}

static int vm_boot(lua_State *L)
{
	struct machine *machine = check_vm(L);
	struct machine_options options = { 0 };
	uint64_t deadline_ns = read_boot_options(L, &options);
	struct error err;

	if (machine_boot(machine, &options, deadline_ns, &err))
		return script_raise(L, &err);
	script_start_main(L, machine);
	lua_pushvalue(L, 1);
	return 1;
}

static int reboot(lua_State *L, bool orderly)
{
	struct machine *machine = check_vm(L);
	struct machine_options options = { 0 };
	uint64_t deadline_ns = read_boot_options(L, &options);
	struct error err;

	if (machine_reboot(machine, orderly, &options, deadline_ns, &err))
		return script_raise(L, &err);
	script_start_main(L, machine);
	lua_pushvalue(L, 1);
	return 1;
}

static int vm_reboot(lua_State *L)
{
	return reboot(L, true);
}

static int vm_reset(lua_State *L)
{
	return reboot(L, false);
}

static int vm_shutdown(lua_State *L)
{
	struct machine *machine = check_vm(L);

	machines_shutdown(&machine, 1);
	return 0;
}

/* Whatever it was. */
static int vm_close(lua_State *L)
{
	struct machine *machine = check_vm(L);

	machines_shutdown(&machine, 1);
	return 0;
}

static int vm_pause(lua_State *L)
{
	struct error err;

	return machine_pause(check_vm(L), &err) ? script_raise(L, &err) : 0;
}

static int vm_resume(lua_State *L)
{
	struct error err;

	return machine_resume(check_vm(L), &err) ? script_raise(L, &err) : 0;
}

static int vm_state(lua_State *L)
{
	lua_pushstring(L, machine_state_name(machine_state(check_vm(L))));
	return 1;
}

static int vm_name(lua_State *L)
{
	lua_pushstring(L, check_vm(L)->name);
	return 1;
}

/* There is no vsock device: what a guest is asked goes to its agent over a virtio port. */
static int vm_cid(lua_State *L)
{
	check_vm(L);
	lua_pushnil(L);
	return 1;
}

static int vm_profile(lua_State *L)
{
	lua_pushstring(L, check_vm(L)->profile);
	return 1;
}

/* Which bridge a script means: a bridge, its name, or nothing for the first by name. */
static struct member *find_place(lua_State *L, struct machine *machine, int index)
{
	struct bridge *bridge = script_test_object(L, index, &script_class_bridge);
	const char *name = NULL;
	struct member **members, *found = NULL;
	size_t count;

	if (!bridge && !lua_isnoneornil(L, index) && lua_type(L, index) != LUA_TSTRING)
		script_refuse(L, index, "bridge", "a bridge or the name of one");
	if (!bridge && !lua_isnoneornil(L, index))
		name = script_check_string(L, index, "bridge");
	count = machine_members(machine, &members);
	for (size_t i = 0; i < count && !found; i++)
		if (bridge ? members[i]->bridge == bridge : !name || strcmp(members[i]->bridge->name, name) == 0)
			found = members[i];
	free(members);
	if (!found && !bridge && !name)
		script_fail(L, "vm `%s` is not attached to any bridge; use bridge:attach(\"%s\")", machine->name,
			    machine->name);
	if (!found)
		script_fail(L, "vm `%s` is not attached to bridge `%s`; use bridge:attach(\"%s\")", machine->name,
			    bridge ? bridge->name : name, machine->name);
	return found;
}

static int vm_ip(lua_State *L)
{
	struct member *member = find_place(L, check_vm(L), 2);
	char text[ADDRESS_TEXT_SIZE];

	lua_pushstring(L, address_text(&member->nic.ip, text));
	return 1;
}

static int vm_ip6(lua_State *L)
{
	struct member *member = find_place(L, check_vm(L), 2);
	char text[ADDRESS_TEXT_SIZE];

	lua_pushstring(L, address_text(&member->nic.ip6, text));
	return 1;
}

static int vm_mac(lua_State *L)
{
	const uint8_t *mac = find_place(L, check_vm(L), 2)->nic.mac;
	char text[MAC_TEXT_SIZE];

	lua_pushstring(L, mac_text(mac, text));
	return 1;
}

/* "eth0", "enp0s0", "ens0": how long what stands before the number is. 0 if the name has another form. */
static size_t device_prefix(const char *name, size_t *number)
{
	static const char *const prefixes[] = { "eth", "enp0s", "ens" };
	int64_t value;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], length) == 0 && units_integer(name + length, 0, INT_MAX, &value)) {
			*number = (size_t)value;
			return length;
		}
	}
	return 0;
}

/*
 * The card that the guest calls so. Where the guest calls no card in that way, as before boot, the n-th: a script that counts
 * from eth0 means the same whatever scheme the guest has for names.
 */
static struct member *find_device(struct member **members, size_t count, const char *name)
{
	size_t number, other, length = device_prefix(name, &number);
	bool is_used = false;

	for (size_t i = 0; i < count; i++) {
		const char *guest_name = members[i]->plugged ? members[i]->nic.guest_name : "";

		if (*guest_name && strcmp(guest_name, name) == 0)
			return members[i];
		is_used |=
			length && device_prefix(guest_name, &other) == length && strncmp(guest_name, name, length) == 0;
	}
	return length && !is_used && number < count ? members[number] : NULL;
}

static int vm_nic(lua_State *L)
{
	struct machine *machine = check_vm(L);
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	struct member **members, *found = NULL;
	size_t count = machine_members(machine, &members), number;

	for (size_t i = 0; i < count && !found; i++)
		if (strcmp(members[i]->bridge->name, name) == 0)
			found = members[i];
	if (!found)
		found = find_device(members, count, name);
	free(members);
	if (!found && device_prefix(name, &number))
		script_fail(L, "no NIC `%s` on vm `%s`; name the bridge that it is on, or one like eth0", name,
			    machine->name);
	/* Says which one is not there, and takes a bridge instead of a name. */
	script_push_nic(L, found ? found : find_place(L, machine, 2));
	return 1;
}

static int vm_tostring(lua_State *L)
{
	struct machine *machine = check_vm(L);

	/* As far as is known: to be shown is not to be looked at. */
	lua_pushfstring(L, "vm(%s state=%s cid=-)", machine->name, machine_state_name(machine->state));
	return 1;
}

static const struct script_function methods[] = {
	{ "boot", vm_boot, 1 },
	{ "reboot", vm_reboot, 1 },
	{ "reset", vm_reset, 1 },
	{ "shutdown", vm_shutdown, 0 },
	{ "close", vm_close, 0 },
	{ "pause", vm_pause, 0 },
	{ "resume", vm_resume, 0 },
	{ "snapshot", script_vm_snapshot, 1 },
	{ "restore", script_vm_restore, 1 },
	{ "state", vm_state, 0 },
	{ "name", vm_name, 0 },
	{ "profile", vm_profile, 0 },
	{ "cid", vm_cid, 0 },
	{ "console", script_vm_console, 0 },
	{ "ip", vm_ip, 1 },
	{ "ip6", vm_ip6, 1 },
	{ "mac", vm_mac, 1 },
	{ "nic", vm_nic, 1 },
	{ "run", script_vm_run, 2 },
	{ "run_async", script_vm_run_async, 2 },
	{ "main", script_vm_main, 0 },
	{ "tail_file", script_vm_tail_file, 2 },
	{ NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__tostring", vm_tostring },
	{ NULL, NULL },
};

static void ref_vm(void *vm)
{
	machine_ref(vm);
}

static void unref_vm(void *vm)
{
	machine_unref(vm);
}

const struct script_class script_class_vm = {
	.type = "provium.vm",
	.name = "vm",
	.methods = methods,
	.more_methods = script_vm_files,
	.absent = script_vm_absent,
	.metamethods = metamethods,
	.ref = ref_vm,
	.unref = unref_vm,
};
