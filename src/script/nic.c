// SPDX-License-Identifier: GPL-2.0-only
/* NICs: a node's place on a bridge. */

#include "net/link.h"
#include "script/internal.h"
#include "wire/wire.h"

static struct member *check_nic(lua_State *L)
{
	return script_check_object(L, 1, &script_class_nic);
}

void script_push_nic(lua_State *L, struct member *member)
{
	script_push_object(L, &script_class_nic, member);
}

static int nic_counters_method(lua_State *L)
{
	struct nic_counters counters;
	struct error err;

	if (nic_counters(check_nic(L), &counters, &err))
		return script_raise(L, &err);
	lua_newtable(L);
	script_set_count(L, "rx_bytes", counters.rx_bytes);
	script_set_count(L, "tx_bytes", counters.tx_bytes);
	script_set_count(L, "rx_packets", counters.rx_packets);
	script_set_count(L, "tx_packets", counters.tx_packets);
	script_set_count(L, "errors", counters.errors);
	lua_newtable(L);
	for (enum wire_verdict verdict = WIRE_DELIVERED + 1; verdict < WIRE_VERDICTS; verdict++)
		script_set_count(L, wire_verdict_name(verdict), counters.dropped[verdict]);
	script_set_record(L, &script_record_dropped);
	lua_setfield(L, -2, "dropped");
	script_set_record(L, &script_record_counters);
	return 1;
}

static int set_link(lua_State *L, bool up)
{
	struct error err;

	return nic_set_link(check_nic(L), up, &err) ? script_raise(L, &err) : 0;
}

static int nic_disconnect(lua_State *L)
{
	struct member *member = check_nic(L);

	/*
	 * A cable that is not there any more cannot be pulled; a test that means to would prove nothing. One that has never been
	 * there will come with the node.
	 */
	if (!member->attached && member->was_meant && !member->bridge->closed)
		script_fail(L, "`%s` is not attached to bridge `%s`; attach it first with bridge:attach(\"%s\")",
			    member->name, member->bridge->name, member->name);
	member_expect(member);
	return set_link(L, false);
}

static int nic_reconnect(lua_State *L)
{
	return set_link(L, true);
}

static int nic_is_connected(lua_State *L)
{
	struct member *member = check_nic(L);

	lua_pushboolean(L, member->attached && !member->disconnected);
	return 1;
}

static int nic_vm_name(lua_State *L)
{
	lua_pushstring(L, check_nic(L)->name);
	return 1;
}

static int nic_bridge(lua_State *L)
{
	lua_pushstring(L, check_nic(L)->bridge->name);
	return 1;
}

/* What is behind a device of the host has one of its own. */
static int nic_mac(lua_State *L)
{
	const struct member *member = check_nic(L);
	char text[MAC_TEXT_SIZE];

	if (member_is_device(member))
		lua_pushnil(L);
	else
		lua_pushstring(L, mac_text(member->nic.mac, text));
	return 1;
}

static int nic_ip(lua_State *L)
{
	char text[ADDRESS_TEXT_SIZE];

	lua_pushstring(L, address_text(&check_nic(L)->nic.ip, text));
	return 1;
}

static int nic_ip6(lua_State *L)
{
	char text[ADDRESS_TEXT_SIZE];

	lua_pushstring(L, address_text(&check_nic(L)->nic.ip6, text));
	return 1;
}

/* What the guest calls it, such as "eth0"; nil if that is not known, or not yet. */
static int nic_device(lua_State *L)
{
	struct member *member = check_nic(L);

	if (member->plugged && *member->nic.guest_name)
		lua_pushstring(L, member->nic.guest_name);
	else
		lua_pushnil(L);
	return 1;
}

static int nic_tostring(lua_State *L)
{
	struct member *member = check_nic(L);

	lua_pushfstring(L, "nic %s@%s", member->name, member->bridge->name);
	return 1;
}

static const struct script_function methods[] = {
	{ "counters", nic_counters_method, 0 },
	{ "capture", script_nic_capture, 1 },
	{ "disconnect", nic_disconnect, 0 },
	{ "reconnect", nic_reconnect, 0 },
	{ "is_connected", nic_is_connected, 0 },
	{ "vm_name", nic_vm_name, 0 },
	{ "bridge", nic_bridge, 0 },
	{ "mac", nic_mac, 0 },
	{ "ip", nic_ip, 0 },
	{ "ip6", nic_ip6, 0 },
	{ "device", nic_device, 0 },
	{ NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__tostring", nic_tostring },
	{ NULL, NULL },
};

/* A member lives as long as its bridge. */
static void ref_nic(void *nic)
{
	bridge_ref(((struct member *)nic)->bridge);
}

static void unref_nic(void *nic)
{
	bridge_unref(((struct member *)nic)->bridge);
}

const struct script_class script_class_nic = {
	.type = "provium.nic",
	.name = "nic",
	.methods = methods,
	.metamethods = metamethods,
	.ref = ref_nic,
	.unref = unref_nic,
};
