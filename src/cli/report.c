// SPDX-License-Identifier: GPL-2.0-only
#include "cli/report.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <lauxlib.h>

#include "cli/run.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/replace.h"

#define SIGNAL_NAME_SIZE 20

struct report {
	lua_State *L;
	int collector; /* reference to the Lua object that all events go to, see lua/report/run.lua */
	uint64_t begun_ns;
	FILE *file; /* NULL: the report goes to stdout */
	struct replacement place;
};

static bool is_utf8_locale(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", NULL);
	bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return utf8;
}

/* See no-color.org. */
static bool wants_colors(FILE *file)
{
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fileno(file)) && !(no_color && *no_color) && terminal && strcmp(terminal, "dumb") != 0;
}

static int fail(struct report *report, struct error *err)
{
	const char *text = lua_tostring(report->L, -1);

	error_set(err, EIO, "report: %s", text ? text : "an error that is no text");
	lua_pop(report->L, 1);
	return -err->code;
}

/* The function that a reporter writes with. */
static int write_text(lua_State *L)
{
	FILE *file = lua_touserdata(L, lua_upvalueindex(1));
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	struct error err;

	if (fwrite(text, 1, size, file) == size && !fflush(file))
		return 0;
	error_errno(&err, errno, "write to %s", lua_tostring(L, lua_upvalueindex(2)));
	lua_pushstring(L, err.text);
	return lua_error(L);
}

/* `place` is what people call the file. */
static void push_reporter(lua_State *L, const char *format, FILE *file, const char *place)
{
	lua_newtable(L);
	lua_pushstring(L, format);
	lua_setfield(L, -2, "format");
	lua_pushlightuserdata(L, file);
	lua_pushstring(L, place);
	lua_pushcclosure(L, write_text, 2);
	lua_setfield(L, -2, "write");
	lua_pushboolean(L, wants_colors(file));
	lua_setfield(L, -2, "colors");
	lua_pushboolean(L, is_utf8_locale());
	lua_setfield(L, -2, "unicode");
}

static void push_files(lua_State *L, const struct plan *plan)
{
	lua_createtable(L, (int)plan->file_count, 0);
	for (size_t i = 0; i < plan->file_count; i++) {
		const struct buffer *text = &plan->files[i].text;

		lua_createtable(L, 0, 2);
		lua_pushstring(L, plan->files[i].path);
		lua_setfield(L, -2, "path");
		lua_pushlstring(L, buffer_string(text), text->size);
		lua_setfield(L, -2, "text");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static void push_options(struct report *report, const struct plan *plan)
{
	lua_State *L = report->L;
	struct utsname machine;
	int count = 0;

	uname(&machine);
	lua_newtable(L);
	lua_pushstring(L, machine.nodename);
	lua_setfield(L, -2, "hostname");
	lua_pushinteger(L, (lua_Integer)plan->script.seed);
	lua_setfield(L, -2, "seed");
	lua_pushstring(L, plan->repeat);
	lua_setfield(L, -2, "repeat_command");
	lua_pushboolean(L, plan->script.list);
	lua_setfield(L, -2, "list");
	push_files(L, plan);
	lua_setfield(L, -2, "files");
	script_push_choice(L, &plan->script);
	lua_setfield(L, -2, "choice");
	lua_newtable(L);
	push_reporter(L, report->file ? "human" : plan->format, stdout, "standard output");
	lua_rawseti(L, -2, ++count);
	if (report->file) {
		push_reporter(L, plan->format, report->file, plan->output);
		lua_rawseti(L, -2, ++count);
	}
	lua_setfield(L, -2, "reporters");
}

static int open_lua(struct report *report, const struct plan *plan, struct error *err)
{
	lua_State *L = report->L = script_open_plain();

	if (!L)
		return error_set(err, ENOMEM, "open Lua for the report");
	if (luaL_loadstring(L, "return require('provium.report.run').new(...)"))
		return fail(report, err);
	push_options(report, plan);
	if (lua_pcall(L, 1, 1, 0))
		return fail(report, err);
	report->collector = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int open_file(struct report *report, const char *path, struct error *err)
{
	if (replace_open(&report->place, path, err))
		return error_wrap(err, "--output %s", path);
	/* Of its own, so that it can be closed, and what the disk has no room for seen, before it is put in its place. */
	report->file = fdopen(dup(report->place.fd), "w");
	return report->file ? 0 : error_errno(err, errno, "--output %s", path);
}

int report_open(struct report **result, const struct plan *plan, struct error *err)
{
	struct report *report = memory_new(sizeof(*report));

	report->begun_ns = clock_now();
	report->collector = LUA_NOREF;
	report->place.fd = -1;
	if ((plan->output && open_file(report, plan->output, err)) || open_lua(report, plan, err)) {
		report_close(report);
		return -err->code;
	}
	*result = report;
	return 0;
}

/* Pushes the collector's method and the collector. */
static void push_method(lua_State *L, const struct report *report, const char *name)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, report->collector);
	lua_getfield(L, -1, name);
	lua_insert(L, -2);
}

static int send_line(struct report *report, const char *method, size_t file, const char *line, size_t size,
		     struct error *err)
{
	push_method(report->L, report, method);
	lua_pushinteger(report->L, (lua_Integer)file);
	lua_pushlstring(report->L, line, size);
	return lua_pcall(report->L, 3, 0, 0) ? fail(report, err) : 0;
}

int report_event(struct report *report, size_t file, const char *line, size_t size, struct error *err)
{
	return send_line(report, "event", file, line, size, err);
}

int report_output(struct report *report, size_t file, const char *line, size_t size, struct error *err)
{
	return send_line(report, "output", file, line, size, err);
}

static const char *signal_name(int number, char name[static SIGNAL_NAME_SIZE])
{
	const char *short_name = sigabbrev_np(number);

	if (short_name)
		snprintf(name, SIGNAL_NAME_SIZE, "SIG%s", short_name);
	else
		snprintf(name, SIGNAL_NAME_SIZE, "signal %d", number); /* real-time ones have no name */
	return name;
}

int report_ended(struct report *report, size_t file, const struct report_end *end, struct error *err)
{
	lua_State *L = report->L;
	char name[SIGNAL_NAME_SIZE];

	push_method(L, report, "ended");
	lua_pushinteger(L, (lua_Integer)file);
	lua_newtable(L);
	lua_pushinteger(L, end->status);
	lua_setfield(L, -2, "status");
	if (end->signal) {
		lua_pushstring(L, signal_name(end->signal, name));
		lua_setfield(L, -2, "signal");
	}
	lua_pushstring(L, end->killed);
	lua_setfield(L, -2, "killed");
	lua_pushnumber(L, (lua_Number)end->duration_ns / (lua_Number)NS_PER_S);
	lua_setfield(L, -2, "seconds");
	return lua_pcall(L, 3, 0, 0) ? fail(report, err) : 0;
}

static int64_t take_integer(lua_State *L, const char *name)
{
	int64_t value;

	lua_getfield(L, -1, name);
	value = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return value;
}

static int put_in_place(struct report *report, struct error *err)
{
	int status = fclose(report->file);

	report->file = NULL;
	return status ? error_errno(err, errno, "write %s", report->place.path) : replace_commit(&report->place, err);
}

int report_finish(struct report *report, const char *broken_off, struct report_totals *totals, struct error *err)
{
	lua_State *L = report->L;

	push_method(L, report, "finish");
	lua_pushstring(L, broken_off);
	lua_pushnumber(L, (lua_Number)(clock_now() - report->begun_ns) / (lua_Number)NS_PER_S);
	if (lua_pcall(L, 3, 1, 0))
		return fail(report, err);
	*totals = (struct report_totals){
		.passed = take_integer(L, "passed"),
		.failed = take_integer(L, "failed"),
		.skipped = take_integer(L, "skipped"),
		.broken = take_integer(L, "broken"),
		.listed = take_integer(L, "listed"),
	};
	lua_pop(L, 1);
	return report->file ? put_in_place(report, err) : 0;
}

void report_close(struct report *report)
{
	if (!report)
		return;
	if (report->L)
		lua_close(report->L);
	if (report->file)
		fclose(report->file);
	replace_close(&report->place);
	free(report);
}
