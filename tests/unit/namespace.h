/* SPDX-License-Identifier: GPL-2.0-only */
/* A network namespace for each test, and devices in it. Needs root. */
#ifndef PROVIUM_TESTS_UNIT_NAMESPACE_H
#define PROVIUM_TESTS_UNIT_NAMESPACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "util/error.h"

#define IN_A_NAMESPACE(TEST) cmocka_unit_test_setup_teardown(TEST, open_namespace, close_namespace)

static struct netlink *nl;

static inline void must(int status, const struct error *err)
{
	if (status)
		fail_msg("%s", err->text);
}

static inline void expect_text(const struct error *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" is not in: %s", part, err->text);
}

/* Another one for each test. */
static inline int open_namespace(void **state)
{
	struct error err;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&nl, &err), &err);
	return 0;
}

static inline int close_namespace(void **state)
{
	(void)state;
	netlink_close(nl);
	netlink_close(NULL);
	return 0;
}

static inline int index_of(const char *name)
{
	struct error err;
	int ifindex;

	must(link_index(nl, name, &ifindex, &err), &err);
	return ifindex;
}

static inline int make_bridge(const char *name)
{
	struct error err;

	must(link_create_bridge(nl, name, 1500, &err), &err);
	return index_of(name);
}

/* Both ends here. Returns the first. */
static inline int make_veth(const char *name, const char *peer)
{
	struct veth veth = { .name = name, .peer_pid = getpid(), .peer_name = peer, .mtu = 1400, .peer_mtu = 1400 };
	struct error err;

	memcpy(veth.peer_mac, (uint8_t[]){ 2, 0, 0, 0, 0, 9 }, MAC_SIZE);
	must(link_create_veth(nl, &veth, &err), &err);
	return index_of(name);
}

#endif
