// SPDX-License-Identifier: GPL-2.0-only
/* The Lua state of a script, from its opening to its end. */
#include "script/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <lualib.h>

#include "lab/registry.h"
#include "lab/run.h"
#include "node/node.h"
#include "script/internal.h"
#include "script/profiles.h"
#include "util/clock.h"
#include "util/interrupt.h"
#include "util/wait.h"
#include "util/terminal.h"

#define TEST_TIMEOUT_NS (60 * NS_PER_S)
#define SCRIPT_TYPE	"provium.script"
#define SEED_BITS	53

/* Its address is the key of the script's userdata in the registry. */
static const char script_key;

__attribute__((visibility("default"))) int luaopen_provium(lua_State *L);

struct script *script_of(lua_State *L)
{
	struct script *script;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &script_key);
	script = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return script;
}

/* By run_close(), so behind the end of the file, for the labs go after it. */
static void send_loss(void *context, const char *cause, uint64_t frames)
{
	struct script *script = context;
	lua_State *L = script->L;

	lua_createtable(L, 0, 4);
	lua_pushliteral(L, "loss");
	lua_setfield(L, -2, "event");
	lua_pushstring(L, script->path);
	lua_setfield(L, -2, "file");
	lua_pushstring(L, cause);
	lua_setfield(L, -2, "cause");
	script_set_count(L, "frames", frames);
	script_send_event(L, -1, script->options->events);
	lua_pop(L, 1);
}

static int close_script(lua_State *L)
{
	struct script *script = script_of(L);
	lua_Debug caller;

	/* By the end of the state, which has no caller, and not by a script that has found it in the registry. */
	if (!script || !script->run || !lua_pushthread(L) || lua_getstack(L, 1, &caller))
		return 0;
	wait_remove_idler(&script->idler);
	script_close_captures(script, 0);
	script_close_processes(script, 0);
	lab_close(script->root);
	lab_unref(script->root);
	run_close(script->run);
	profiles_close(script->profiles);
	script->run = NULL;
	return 0;
}

/* Finalizers run in the reverse order of creation, so the script, made first, outlives all that refers to it. */
static struct script *new_script(lua_State *L, const struct script_options *options)
{
	struct script *script = lua_newuserdatauv(L, sizeof(*script), 0);

	memset(script, 0, sizeof(*script));
	script->L = L;
	script->options = options;
	script->timeout_ns = options->timeout_ns ? options->timeout_ns : TEST_TIMEOUT_NS;
	luaL_newmetatable(L, SCRIPT_TYPE);
	lua_pushcfunction(L, close_script);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &script_key);
	return script;
}

static void register_classes(lua_State *L)
{
	script_register_class(L, &script_class_lab);
	script_register_class(L, &script_class_bridge);
	script_register_class(L, &script_class_vm);
	script_register_class(L, &script_class_nic);
	script_register_record(L, &script_record_counters);
	script_register_record(L, &script_record_dropped);
	script_register_record(L, &script_record_path);
	script_register_record(L, &script_record_status);
	script_register_record(L, &script_record_entry);
	script_register_record(L, &script_record_member);
	script_register_process(L);
	script_register_capture(L);
	script_register_snapshot(L);
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
	luaL_requiref(L, name, open, 0);
	lua_pop(L, 1);
}

static void set_globals(lua_State *L, struct script *script)
{
	static const char *const functions[] = { "test", "todo", "wait_until" };

	script_push_object(L, &script_class_lab, script->root);
	lua_setglobal(L, "provium");
	script_require(L, "framework");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		lua_getfield(L, -1, functions[i]);
		lua_setglobal(L, functions[i]);
	}
	lua_pop(L, 1);
}

static void open_common(lua_State *L)
{
	luaL_requiref(L, "provium.json", script_open_json, 0);
	lua_setglobal(L, "json");
	preload(L, "provium.utf8", script_open_utf8);
	preload(L, "provium.found", script_open_found);
	script_register_modules(L);
}

/* Fills a state that has its standard libraries. The configuration is looked for from that folder on. */
static int attach(lua_State *L, const char *folder, const struct script_options *options, struct error *err)
{
	struct script *script = new_script(L, options);

	if (profiles_open(&script->profiles, folder, options, err))
		return -err->code;
	if (run_open(&script->run, options->seed, err)) {
		script->run = NULL;
		profiles_close(script->profiles);
		return -err->code;
	}
	script->run->folder = realpath(folder, NULL);
	script->root = lab_new(script->run);
	script->root->find_profile = profiles_find;
	script->root->profile_context = script->profiles;
	register_classes(L);
	open_common(L);
	preload(L, "provium.native", script_open_native);
	set_globals(L, script);
	lab_refresh(script->root);
	script->idler = (struct wait_idler){ .call = script_collect_output, .context = script };
	wait_add_idler(&script->idler);
	return 0;
}

lua_State *script_open_plain(void)
{
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	open_common(L);
	return L;
}

static void interactive(lua_State *L)
{
	script_require(L, "framework");
	lua_getfield(L, -1, "interactive");
	lua_call(L, 0, 0);
	lua_pop(L, 1);
}

lua_State *script_open(const struct script_options *options, struct error *err)
{
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	if (attach(L, "./", options, err)) {
		lua_close(L);
		return NULL;
	}
	script_require(L, "search");
	lua_getfield(L, -1, "install");
	lua_call(L, 0, 0);
	lua_pop(L, 1);
	interactive(L);
	return L;
}

void script_close(lua_State *L)
{
	lua_close(L);
}

/* So that the parent learns of it when not even a lab could be opened. */
static void report_no_lab(lua_State *L, const char *path, int events, const char *text)
{
	lua_createtable(L, 0, 3);
	lua_pushliteral(L, "end");
	lua_setfield(L, -2, "event");
	lua_pushstring(L, path);
	lua_setfield(L, -2, "file");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "error");
	script_send_event(L, -1, events);
}

int script_run_file(const struct script_source *source, const struct script_options *options)
{
	lua_State *L = luaL_newstate();
	struct script *script;
	struct error err;
	int status;

	registry_set_title(source->path);
	luaL_openlibs(L);
	if (attach(L, source->folder, options, &err)) {
		open_common(L);
		report_no_lab(L, source->path, options->events, err.text);
		lua_close(L);
		return 0;
	}
	script = script_of(L);
	script->path = source->path;
	script->run->hear_context = script;
	script->run->hear_loss = send_loss;
	script_require(L, "framework");
	lua_getfield(L, -1, "run_file");
	lua_pushstring(L, source->path);
	lua_pushstring(L, source->folder);
	lua_pushlstring(L, source->text, source->size);
	lua_pushstring(L, profiles_search_path(script->profiles));
	status = lua_pcall(L, 4, 0, 0);
	if (status)
		terminal_text(stderr, "provium: %s", lua_tostring(L, -1));
	lua_close(L);
	return status ? -EIO : 0;
}

static uint64_t random_seed(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = clock_now();
	return seed >> (64 - SEED_BITS);
}

/* require "provium": returns the lab, and sets the same globals that a script file has. */
int luaopen_provium(lua_State *L)
{
	static struct script_options options = { .events = -1 };
	struct error err;

	options.seed = random_seed();
	registry_set_title("lua");
	if (attach(L, "./", &options, &err)) {
		luaL_where(L, 1);
		lua_pushfstring(L, "provium: %s", err.text);
		lua_concat(L, 2);
		return lua_error(L);
	}
	interactive(L);
	/* What is not in a test is to be interrupted too: its interpreter shows the error. */
	script_of(L)->guarded = true;
	lua_getglobal(L, "provium");
	return 1;
}
