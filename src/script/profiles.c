// SPDX-License-Identifier: GPL-2.0-only
#include "script/profiles.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "lab/lab.h"
#include "util/list.h"
#include "script/internal.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/trust.h"

#define FILE_NAME "provium.lua"
#define MAX_CPUS  255
#define MAX_BASES 16 /* one profile on another, and so on: more is a circle */

struct named_profile {
	char *name;
	struct machine_profile profile;
};

struct profiles {
	const struct script_options *options;
	char *file; /* NULL: none was found */
	struct named_profile *list;
	size_t count;
	struct buffer search_path;
	lua_State *L; /* keeps the strings of the file alive */
};

static const struct machine_profile built_in[] = {
	{ .kind = &node_kind_netns },
	{ .kind = &node_kind_qemu },
};

static const struct machine_profile *find_built_in(const char *name)
{
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
		if (strcmp(built_in[i].kind->name, name) == 0)
			return &built_in[i];
	return NULL;
}

static const struct machine_profile *find_listed(const struct profiles *profiles, const char *name)
{
	for (size_t i = 0; i < profiles->count; i++)
		if (strcmp(profiles->list[i].name, name) == 0)
			return &profiles->list[i].profile;
	return find_built_in(name);
}

/* The last --profile NAME=OTHER goes first; OTHER may itself be mapped by an earlier one. */
static const char *map_name(const struct script_options *options, const char *name)
{
	for (size_t i = options->profile_count; i-- > 0;) {
		const char *mapping = options->profiles[i];
		size_t length = strcspn(mapping, "=");

		if (strlen(name) == length && strncmp(name, mapping, length) == 0 && mapping[length])
			name = mapping + length + 1;
	}
	return name;
}

static int unknown(const struct profiles *profiles, const char *name, const char *mapped, struct error *err)
{
	struct buffer names = { 0 };

	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
		buffer_printf(&names, "%s`%s`", names.size ? ", " : "", built_in[i].kind->name);
	for (size_t i = 0; i < profiles->count; i++)
		buffer_printf(&names, ", `%s`", profiles->list[i].name);
	error_set(err, ENOENT, "no profile named `%s`; there are %s; map it with --profile %s=OTHER or add it to %s",
		  mapped, buffer_string(&names), name,
		  profiles->file ? profiles->file : FILE_NAME " beside the script");
	buffer_free(&names);
	return -err->code;
}

int profiles_find(void *context, const char *name, const struct machine_profile **profile, struct error *err)
{
	const struct profiles *profiles = context;
	const char *mapped = map_name(profiles->options, name);

	*profile = find_listed(profiles, mapped);
	return *profile ? 0 : unknown(profiles, name, mapped, err);
}

/* Of the file, with the slash. */
static const char *push_folder(lua_State *L, const struct profiles *profiles)
{
	return lua_pushlstring(L, profiles->file, (size_t)(strrchr(profiles->file, '/') + 1 - profiles->file));
}

/* What is on top of the stack lives as long as the state. */
static void keep(lua_State *L)
{
	luaL_ref(L, LUA_REGISTRYINDEX);
}

/* A path in the file, relative to the file's folder, as an absolute one; what it leads to must exist. NULL stays NULL. */
static const char *resolve(lua_State *L, const struct profiles *profiles, const char *key, const char *path)
{
	if (!path)
		return NULL;
	path = script_push_place(L, key, push_folder(L, profiles), path);
	keep(L);
	return path;
}

static void set_string(const char **target, const char *value)
{
	if (value)
		*target = value;
}

static const struct machine_profile *base_of(lua_State *L, struct profiles *profiles, int list, const char *base,
					     int depth);

/* What a profile says, beside strings that go into the configuration as they are. */
struct profile_keys {
	const char *base, *kernel, *initrd, *disk, *accel, *root;
	int binds; /* the stack index */
	uint64_t cpus, pids;
	bool agent, agent_given;
};

static void check_accel(lua_State *L, const char *accel)
{
	if (accel && strcmp(accel, "kvm") != 0 && strcmp(accel, "tcg") != 0)
		script_fail(L, "`accel` is \"%s\"; \"kvm\" or \"tcg\" is accepted, and without it what works is used",
			    accel);
}

/* What only a node without its own kernel has. */
static void check_kind(lua_State *L, const struct machine_profile *profile, const struct profile_keys *keys)
{
	const char *key = keys->root ? "root" : !lua_isnil(L, keys->binds) ? "binds" : keys->pids ? "pids" : NULL;

	if (key && !profile->kind->shares_kernel)
		script_fail(
			L,
			"`%s` is of namespace nodes; leave it out, or build the profile on one of them (base = \"%s\")",
			key, node_kind_netns.name);
}

static void set_places(lua_State *L, const struct profiles *profiles, const struct profile_keys *keys,
		       struct machine_profile *profile)
{
	struct node_config *config = &profile->config;
	const char *folder = push_folder(L, profiles);

	if (keys->disk && profile->kind->shares_kernel) {
		config->disk = script_push_place_folder(L, "disk", folder, keys->disk);
		keep(L);
	} else {
		set_string(&config->disk, resolve(L, profiles, "disk", keys->disk));
	}
	if (keys->root) {
		config->root = script_push_root(L, folder, keys->root);
		if (strcmp(config->root, NODE_ROOT_OWN) == 0)
			config->root = NULL;
		keep(L);
	}
	if (!lua_isnil(L, keys->binds)) {
		config->binds = script_push_binds(L, keys->binds, folder, &config->bind_count);
		keep(L);
	}
}

/* Reads the table on top of the stack. */
static struct machine_profile read_profile(lua_State *L, struct profiles *profiles, int list, int depth)
{
	struct profile_keys given = { .base = "vm", .agent = true };
	const char *cmdline = NULL, *machine = NULL;
	uint64_t memory = 0;
	const struct option keys[] = {
		{ "base", OPTION_STRING, &given.base },
		{ "kernel", OPTION_STRING, &given.kernel },
		{ "initrd", OPTION_STRING, &given.initrd },
		{ "cmdline", OPTION_STRING, &cmdline },
		{ "disk", OPTION_STRING, &given.disk },
		{ "memory", OPTION_QUANTITY, &memory, .quantity = QUANTITY_SIZE },
		{ "cpus", OPTION_INTEGER, &given.cpus, .limit = MAX_CPUS },
		{ "machine", OPTION_STRING, &machine },
		{ "accel", OPTION_STRING, &given.accel },
		{ "agent", OPTION_BOOL, &given.agent, .given = &given.agent_given },
		{ "root", OPTION_STRING, &given.root },
		{ "binds", OPTION_VALUE, &given.binds },
		{ "pids", OPTION_INTEGER, &given.pids, .limit = SCRIPT_MAX_PIDS },
	};
	struct machine_profile profile;
	struct node_config *config = &profile.config;

	SCRIPT_READ_OPTIONS(L, lua_gettop(L), keys);
	check_accel(L, given.accel);
	profile = *base_of(L, profiles, list, given.base, depth + 1);
	check_kind(L, &profile, &given);
	set_string(&config->kernel, resolve(L, profiles, "kernel", given.kernel));
	set_string(&config->initrd, resolve(L, profiles, "initrd", given.initrd));
	set_places(L, profiles, &given, &profile);
	set_string(&config->kernel_cmdline, cmdline);
	set_string(&config->machine, machine);
	set_string(&config->accel, given.accel);
	config->memory_bytes = memory ? memory : config->memory_bytes;
	config->cpus = given.cpus ? (unsigned int)given.cpus : config->cpus;
	config->pids = given.pids ? given.pids : config->pids;
	config->no_agent = given.agent_given ? !given.agent : config->no_agent;
	return profile;
}

/* Adds the profile of that name, which is on top of the stack, and takes it off. */
static const struct machine_profile *add_profile(lua_State *L, struct profiles *profiles, int list, const char *name,
						 int depth)
{
	struct named_profile added;

	if (lua_type(L, -1) != LUA_TTABLE)
		script_fail(L, "profile `%s` is a %s; a table is accepted", name, luaL_typename(L, -1));
	luaL_checkstack(L, 64, "profiles");
	added.profile = read_profile(L, profiles, list, depth);
	added.name = memory_string(name);
	LIST_ADD(profiles->list, profiles->count, added);
	return &profiles->list[profiles->count - 1].profile;
}

static const struct machine_profile *base_of(lua_State *L, struct profiles *profiles, int list, const char *base,
					     int depth)
{
	const struct machine_profile *found = find_listed(profiles, base);

	if (depth > MAX_BASES)
		script_fail(L, "profile `%s` is based on itself", base);
	if (found)
		return found;
	if (lua_getfield(L, list, base) == LUA_TNIL)
		script_fail(L, "there is no profile `%s` to be the `base` of another", base);
	return add_profile(L, profiles, list, base, depth);
}

static void add_root(struct profiles *profiles, const char *folder)
{
	buffer_printf(&profiles->search_path, "%s/?.lua;%s/?/init.lua;", folder, folder);
}

/* The list at this index; without one the folder of the file is the only root. */
static void read_roots(lua_State *L, struct profiles *profiles, int index)
{
	size_t count;

	if (lua_isnil(L, index)) {
		add_root(profiles, resolve(L, profiles, "roots", "."));
		return;
	}
	count = script_check_list(L, index, "roots", "a list of folders");
	for (size_t i = 1; i <= count; i++) {
		int top = lua_gettop(L);

		lua_rawgeti(L, index, (lua_Integer)i);
		add_root(profiles, resolve(L, profiles, "roots", script_check_string(L, top + 1, "roots")));
		lua_settop(L, top);
	}
}

/* read(file, profiles): runs the file and takes its table in. The first upvalue is the file's name, for errors. */
static int read_file(lua_State *L)
{
	struct profiles *profiles = lua_touserdata(L, 1);
	int list_index = 0, roots = 0, list;
	const struct option keys[] = {
		{ "profiles", OPTION_VALUE, &list_index },
		{ "roots", OPTION_VALUE, &roots },
	};

	lua_call(L, 0, 1);
	/* Its strings are used as long as the state lives. */
	lua_pushvalue(L, -1);
	luaL_ref(L, LUA_REGISTRYINDEX);
	if (lua_type(L, -1) != LUA_TTABLE)
		script_fail(L, "it returns a %s; a table like {profiles = {…}} is accepted", luaL_typename(L, -1));
	SCRIPT_READ_OPTIONS(L, lua_gettop(L), keys);
	read_roots(L, profiles, roots);
	list = list_index;
	if (lua_isnil(L, list))
		return 0;
	script_check_table(L, list, "profiles");
	for (lua_pushnil(L); lua_next(L, list);) {
		int top = lua_gettop(L);

		if (lua_type(L, top - 1) != LUA_TSTRING)
			script_fail(L, "the keys of `profiles` are names");
		if (find_built_in(lua_tostring(L, top - 1)))
			script_fail(L, "the profile `%s` is built in; choose another name", lua_tostring(L, top - 1));
		/* One that was the base of another is there already. */
		if (!find_listed(profiles, lua_tostring(L, top - 1)))
			add_profile(L, profiles, list, lua_tostring(L, top - 1), 0);
		lua_settop(L, top - 1);
	}
	return 0;
}

/* From the script's folder upwards. What is found first is read, or is an error: a script may need what it is not to have. */
static int find_file(const char *script_path, struct profiles *profiles, struct buffer *text, struct error *err)
{
	char *path = realpath(script_path, NULL), *slash;
	size_t length;

	err->code = 0;
	if (!path)
		return 0;
	length = strlen(script_path);
	path = memory_resize(path, strlen(path) + 2);
	if (length && script_path[length - 1] == '/')
		strcat(path, "/");
	while (!profiles->file && !err->code && (slash = strrchr(path, '/'))) {
		struct buffer candidate = { 0 };

		*slash = '\0';
		buffer_printf(&candidate, "%s/" FILE_NAME, path);
		if (!trust_read(candidate.data, text, err)) {
			profiles->file = candidate.data;
			break;
		}
		buffer_free(&candidate);
		if (trust_found_nothing(err))
			err->code = 0;
	}
	free(path);
	return -err->code;
}

static int load_file(struct profiles *profiles, const struct buffer *text, struct error *err)
{
	lua_State *L = profiles->L = luaL_newstate();

	luaL_openlibs(L);
	lua_pushstring(L, profiles->file);
	lua_pushcclosure(L, read_file, 1);
	lua_pushlightuserdata(L, profiles);
	if (script_load(L, text, profiles->file, "t") || lua_pcall(L, 2, 0, 0))
		return error_set(err, EINVAL, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "unknown error");
	return 0;
}

int profiles_open(struct profiles **result, const char *script_path, const struct script_options *options,
		  struct error *err)
{
	struct profiles *profiles = memory_new(sizeof(*profiles));
	struct buffer text = { 0 };

	profiles->options = options;
	if (!find_file(script_path, profiles, &text, err) && profiles->file)
		load_file(profiles, &text, err);
	buffer_free(&text);
	if (err->code) {
		profiles_close(profiles);
		return -err->code;
	}
	*result = profiles;
	return 0;
}

const char *profiles_search_path(const struct profiles *profiles)
{
	return buffer_string(&profiles->search_path);
}

void profiles_close(struct profiles *profiles)
{
	if (!profiles)
		return;
	for (size_t i = 0; i < profiles->count; i++)
		free(profiles->list[i].name);
	free(profiles->list);
	free(profiles->file);
	buffer_free(&profiles->search_path);
	if (profiles->L)
		lua_close(profiles->L);
	free(profiles);
}
