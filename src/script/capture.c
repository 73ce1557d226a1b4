// SPDX-License-Identifier: GPL-2.0-only
/* Captures: lan:capture(), nic:capture(), lan:wait_for(). The stream that scripts see is lua/capture.lua, on this handle. */
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "lab/capture.h"
#include "script/internal.h"
#include "util/clock.h"
#include "util/memory.h"

#define SETTLE_NS   NS_PER_S
#define WAIT_NS	    (10 * NS_PER_S)
#define MAX_SNAPLEN CAPTURE_SNAPLEN
#define MAX_PORT    65535
#define MAX_COUNT   (1ULL << 53)

static const char type[] = "provium.capture_handle";

struct script_capture {
	struct script_userdata base; /* first */
	struct lab_capture *capture; /* NULL when closed */
	char *site;
	unsigned int depth;  /* of the scope that it was opened in */
	uint64_t lost;	     /* when it was closed */
	struct buffer bytes; /* on their way to the script */
	struct script *script;
	struct script_capture *older, *younger;
};

static struct script_capture *check_handle(lua_State *L)
{
	return script_check_userdata(L, 1, type);
}

static void close_capture(struct script_capture *handle)
{
	if (!handle->capture)
		return;
	handle->lost = capture_state(lab_capture_stream(handle->capture)).lost;
	lab_capture_close(handle->capture);
	buffer_free(&handle->bytes);
	handle->capture = NULL;
	if (handle->younger)
		handle->younger->older = handle->older;
	else
		handle->script->captures = handle->older;
	if (handle->older)
		handle->older->younger = handle->younger;
}

void script_close_captures(struct script *script, unsigned int depth)
{
	struct script_capture *handle = script->captures, *older;

	for (; handle; handle = older) {
		older = handle->older;
		if (handle->depth >= depth)
			close_capture(handle);
	}
}

/* Text for lua/capture.lua, which raises it where the script called. */
static int push_failure(lua_State *L, const struct error *err)
{
	lua_pushnil(L);
	lua_pushstring(L, err->text);
	return 2;
}

/* read(timeout_ns) → bytes, false if none came in time, nil at the end, nil and a text. */
static int handle_read(lua_State *L)
{
	struct script_capture *handle = check_handle(L);
	uint64_t deadline_ns = clock_after((uint64_t)luaL_checkinteger(L, 2));
	struct capture *stream;
	struct error err;
	long size;

	if (!handle->capture)
		return 0;
	stream = lab_capture_stream(handle->capture);
	size = capture_settle(stream, clock_after(SETTLE_NS), &err);
	if (!size)
		size = capture_read(stream, &handle->bytes, deadline_ns, &err);
	if (size < 0)
		return push_failure(L, &err);
	if (size > 0)
		lua_pushlstring(L, handle->bytes.data, handle->bytes.size);
	else if (capture_has_ended(stream))
		return 0;
	else
		lua_pushboolean(L, false);
	return 1;
}

static int handle_lost(lua_State *L)
{
	struct script_capture *handle = check_handle(L);

	lua_pushinteger(L, (lua_Integer)(handle->capture ? capture_state(lab_capture_stream(handle->capture)).lost
							 : handle->lost));
	return 1;
}

static int handle_is_closed(lua_State *L)
{
	lua_pushboolean(L, !check_handle(L)->capture);
	return 1;
}

/* save(path) → nothing, or a text. */
static int handle_save(lua_State *L)
{
	struct script_capture *handle = check_handle(L);
	const char *path = script_text(L, 2);
	struct capture *stream;
	struct error err;

	if (!path) {
		lua_pushliteral(L, "argument `path` has a NUL byte in it; text without one is accepted");
		return 1;
	}
	if (!handle->capture) {
		lua_pushliteral(L, "capture closed");
		return 1;
	}
	stream = lab_capture_stream(handle->capture);
	if (!capture_settle(stream, clock_after(SETTLE_NS), &err) && !capture_save(stream, path, &err))
		return 0;
	lua_pushstring(L, err.text);
	return 1;
}

static int handle_close(lua_State *L)
{
	close_capture(check_handle(L));
	return 0;
}

static int handle_collect(lua_State *L)
{
	struct script_capture *handle = check_handle(L);

	close_capture(handle);
	free(handle->site);
	handle->site = NULL;
	return 0;
}

/* Leaves the table of its site and the handle on top of the stack. */
static struct script_capture *new_handle(lua_State *L)
{
	struct script_capture *handle;
	struct buffer site = { 0 };

	script_push_site(L);
	lua_getfield(L, -1, "file");
	lua_getfield(L, -2, "line");
	buffer_printf(&site, "%s:%lld", lua_tostring(L, -2), lua_tointeger(L, -1));
	lua_pop(L, 2);
	handle = script_new_userdata(L, type, sizeof(*handle));
	handle->script = script_of(L);
	handle->depth = handle->script->root->depth;
	handle->site = site.data;
	return handle;
}

static void link_handle(struct script_capture *handle)
{
	handle->older = handle->script->captures;
	if (handle->older)
		handle->older->younger = handle;
	handle->script->captures = handle;
}

/* A name, or the number itself. */
static const char *name_or_number(lua_State *L, int index, const char *argument, const char *accepted)
{
	if (!script_text(L, index) && !lua_isinteger(L, index))
		script_refuse(L, index, argument, accepted);
	lua_pushvalue(L, index);
	return lua_tostring(L, -1);
}

static void read_protocols(lua_State *L, int protocol, int ethertype, struct lab_filter *filter)
{
	if (!lua_isnil(L, protocol) &&
	    !names_protocol(name_or_number(L, protocol, "proto", NAMES_PROTOCOLS), &filter->protocol))
		script_refuse(L, protocol, "proto", NAMES_PROTOCOLS);
	if (!lua_isnil(L, ethertype) &&
	    !names_ethertype(name_or_number(L, ethertype, "ethertype", NAMES_ETHERTYPES), &filter->ethertype))
		script_refuse(L, ethertype, "ethertype", NAMES_ETHERTYPES);
}

/* A table of from, to, proto, port, ethertype, and of count where that has a place. */
static void read_filter(lua_State *L, int index, struct lab_filter *filter, uint64_t *count)
{
	struct party from = { 0 }, to = { 0 };
	int protocol = 0, ethertype = 0;
	uint64_t port = 0;
	const struct option keys[] = {
		{ "from", OPTION_PARTY, &from },	   { "to", OPTION_PARTY, &to },
		{ "proto", OPTION_VALUE, &protocol },	   { "port", OPTION_INTEGER, &port, .limit = MAX_PORT },
		{ "ethertype", OPTION_VALUE, &ethertype }, { "count", OPTION_INTEGER, count, .limit = MAX_COUNT },
	};

	script_read_options(L, index, keys, sizeof(keys) / sizeof(keys[0]) - (count ? 0 : 1));
	read_protocols(L, protocol, ethertype, filter);
	filter->from = from.name;
	filter->to = to.name;
	filter->port = (uint16_t)port;
}

static int choice(lua_State *L, int index, const char *argument, const char *const *choices, const char *accepted)
{
	const char *text = script_text(L, index);

	if (lua_isnil(L, index))
		return 0;
	for (int i = 1; text && choices[i]; i++)
		if (strcmp(text, choices[i]) == 0)
			return i;
	return script_refuse(L, index, argument, accepted);
}

static void read_options(lua_State *L, int index, struct lab_capture_options *options)
{
	static const char *const formats[] = { "", "pcap", "pcapng", NULL };
	static const char *const verdicts[] = { "", "all", "delivered", "dropped", NULL };
	int filter = 0, format = 0, verdict = 0;
	uint64_t snaplen = 0;
	const struct option keys[] = {
		{ "snaplen", OPTION_INTEGER, &snaplen, .limit = MAX_SNAPLEN },
		{ "format", OPTION_VALUE, &format },
		{ "filter", OPTION_VALUE, &filter },
		{ "verdicts", OPTION_VALUE, &verdict },
		{ "strict", OPTION_BOOL, &options->strict },
		{ "ring", OPTION_QUANTITY, &options->ring, .quantity = QUANTITY_SIZE },
		{ "limit", OPTION_QUANTITY, &options->limit, .quantity = QUANTITY_SIZE },
	};

	if (lua_isnoneornil(L, index))
		return;
	SCRIPT_READ_OPTIONS(L, index, keys);
	options->snaplen = (uint32_t)snaplen;
	options->format =
		choice(L, format, "format", formats, "\"pcap\" or \"pcapng\"") == 2 ? CAPTURE_PCAPNG : CAPTURE_PCAP;
	options->verdicts = (enum capture_verdicts)choice(L, verdict, "verdicts", verdicts,
							  "\"all\", \"delivered\" or \"dropped\"");
	if (!lua_isnil(L, filter))
		read_filter(L, filter, &options->filter, NULL);
}

static int open_capture(lua_State *L, struct bridge *bridge, const struct member *nic)
{
	struct lab_capture_options options = { 0 };
	struct script_capture *handle;
	struct error err;

	lua_settop(L, 2);
	read_options(L, 2, &options);
	handle = new_handle(L);
	options.site = handle->site;
	if (lab_capture_open(&handle->capture, bridge, nic, &options, &err)) {
		handle->capture = NULL;
		return script_raise(L, &err);
	}
	link_handle(handle);
	script_require(L, "capture");
	lua_getfield(L, -1, "new");
	lua_pushvalue(L, -3);
	lua_pushvalue(L, -5);
	if (nic)
		lua_pushfstring(L, "%s@%s", nic->name, bridge->name);
	else
		lua_pushstring(L, bridge->name);
	lua_call(L, 3, 1);
	return 1;
}

int script_bridge_capture(lua_State *L)
{
	return open_capture(L, script_open_bridge(L), NULL);
}

int script_nic_capture(lua_State *L)
{
	struct member *nic = script_check_object(L, 1, &script_class_nic);

	member_expect(nic);
	return open_capture(L, nic->bridge, nic);
}

/* capture_site(bridge) → where a capture of it was opened that is still open, or nil. */
int script_native_capture_site(lua_State *L)
{
	lua_pushstring(L, lab_capture_site(script_open_bridge(L)));
	return 1;
}

/* Returns how many such frames have arrived. */
int script_bridge_wait_for(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	uint64_t timeout_ns = script_opt_quantity(L, 3, "timeout", QUANTITY_DURATION, WAIT_NS);
	uint64_t count = 1, seen;
	struct lab_filter filter = { 0 };
	struct error err;

	lua_settop(L, 3);
	script_check_table(L, 2, "filter");
	read_filter(L, 2, &filter, &count);
	if (lab_wait_for(bridge, &filter, count, clock_after(timeout_ns), &seen, &err))
		return script_raise(L, &err);
	if (seen < count)
		return script_fail(L, "%llu of %llu such frames have arrived within %g s", (unsigned long long)seen,
				   (unsigned long long)count, (double)timeout_ns / (double)NS_PER_S);
	lua_pushinteger(L, (lua_Integer)seen);
	return 1;
}

void script_register_capture(lua_State *L)
{
	static const struct script_function methods[] = {
		{ "read", handle_read, 1 }, { "lost", handle_lost, 0 },	  { "is_closed", handle_is_closed, 0 },
		{ "save", handle_save, 1 }, { "close", handle_close, 0 }, { NULL },
	};

	luaL_newmetatable(L, type);
	lua_newtable(L);
	script_set_functions(L, "capture:", methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, handle_collect);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}
