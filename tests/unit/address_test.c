// SPDX-License-Identifier: GPL-2.0-only
/* Arithmetic of addresses and subnets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/address.h"
#include "net/link.h"

static struct address subnet(const char *text)
{
	struct address result;

	if (!subnet_parse(text, strchr(text, ':') ? AF_INET6 : AF_INET, &result))
		fail_msg("%s is a subnet", text);
	return result;
}

static void test_subnets_are_read_and_written(void **state)
{
	static const char *const texts[] = { "10.1.0.0/16", "10.1.2.3/32",	"0.0.0.0/1",
					     "128.0.0.0/1", "192.168.7.128/25", "fd70:726f::/64",
					     "fd00::1/128", "8000::/1",		"::/1" };
	char text[ADDRESS_TEXT_SIZE + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct address address = subnet(texts[i]);

		subnet_text(&address, text);
		assert_string_equal(text, texts[i]);
	}
}

static void test_what_is_no_subnet(void **state)
{
	static const char *const texts[] = {
		"",
		"10.1.0.0",
		"10.1.0.0/",
		"10.1.0.0/0",
		"10.1.0.0/33",
		"10.1.0.0/-1",
		"10.1.0.0/16x",
		"10.1.0.0/ 16",
		"10.1.0.1/16",
		"10.1.128.0/16",
		"10.1.0/16",
		"10.1.0.256/32",
		"/16",
		"10.1.0.0/16/16",
		"fd00::/64",
		"x/16",
		" 10.1.0.0/16",
		"10.1.0.0000000000000000000000000000000000000000000000000000000/16",
	};
	static const char *const texts6[] = { "10.1.0.0/16", "fd00::/0",   "fd00::/129",  "fd00::1/64",
					      "fd00::",	     "fd00:::/64", "fd00::%lo/64" };
	struct address result;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (subnet_parse(texts[i], AF_INET, &result))
			fail_msg("\"%s\" is taken for an IPv4 subnet", texts[i]);
	for (size_t i = 0; i < sizeof(texts6) / sizeof(texts6[0]); i++)
		if (subnet_parse(texts6[i], AF_INET6, &result))
			fail_msg("\"%s\" is taken for an IPv6 subnet", texts6[i]);
}

static void overlap_is(const char *one, const char *other, bool expected)
{
	struct address a = subnet(one), b = subnet(other);

	if (subnets_overlap(&a, &b) != expected || subnets_overlap(&b, &a) != expected)
		fail_msg("%s and %s: not expected", one, other);
}

static void test_overlap(void **state)
{
	(void)state;
	overlap_is("10.1.0.0/16", "10.1.0.0/16", true);
	overlap_is("10.1.0.0/16", "10.2.0.0/16", false);
	overlap_is("10.0.0.0/8", "10.2.3.0/24", true);
	overlap_is("10.1.0.0/17", "10.1.128.0/17", false);
	overlap_is("10.1.2.3/32", "10.1.2.2/31", true);
	overlap_is("fd00::/64", "fd00:0:0:1::/64", false);
	overlap_is("fd00::/48", "fd00:0:0:1::/64", true);
	/* The same first bits, but another family. */
	overlap_is("32.1.0.0/16", "2001::/16", false);
}

static void hosts_are(const char *text, uint32_t expected)
{
	struct address address = subnet(text);

	assert_int_equal(subnet_hosts(&address), expected);
}

static void test_number_of_hosts(void **state)
{
	(void)state;
	hosts_are("10.1.0.0/16", 65534);
	hosts_are("10.0.0.0/8", 65534);
	hosts_are("10.1.2.0/24", 254);
	hosts_are("10.1.2.0/30", 2);
	hosts_are("10.1.2.0/31", 0);
	hosts_are("10.1.2.0/32", 0);
	hosts_are("fd00::/64", 65534);
	hosts_are("fd00::/120", 254);
	hosts_are("fd00::/128", 0);
}

static void host_is(const char *text, uint32_t host, const char *expected)
{
	struct address network = subnet(text), address = subnet_host(&network, host);
	char buffer[ADDRESS_TEXT_SIZE];

	assert_string_equal(address_text(&address, buffer), expected);
	assert_int_equal(address.prefix, network.prefix);
	assert_int_equal(subnet_host_number(&network, &address), host);
}

static void test_addresses_of_hosts(void **state)
{
	(void)state;
	host_is("10.1.0.0/16", 1, "10.1.0.1");
	host_is("10.1.0.0/16", 258, "10.1.1.2");
	host_is("10.1.0.0/16", 65534, "10.1.255.254");
	host_is("10.1.2.192/26", 62, "10.1.2.254");
	host_is("fd70:726f:7669:1::/64", 1, "fd70:726f:7669:1::1");
	host_is("fd70:726f:7669:1::/64", 65534, "fd70:726f:7669:1::fffe");
	host_is("fd00::ff00/120", 254, "fd00::fffe");
}

static void test_whose_address(void **state)
{
	struct address network = subnet("10.1.2.192/26"), other = subnet("10.1.0.0/16"), network6 = subnet("fd00::/64");
	struct address address;

	(void)state;
	assert_int_equal(subnet_host_number(&network, &network), 0);
	address = subnet_host(&network, 63);
	assert_int_equal(subnet_host_number(&network, &address), 0);
	address = subnet_host(&other, 5);
	assert_int_equal(subnet_host_number(&network, &address), 0);
	assert_int_equal(subnet_host_number(&network6, &address), 0);
	address = subnet_host(&network6, 5);
	assert_int_equal(subnet_host_number(&network, &address), 0);
	address.bytes[12] = 1;
	assert_int_equal(subnet_host_number(&network6, &address), 0);
}

static void test_mac_text(void **state)
{
	static const uint8_t mac[MAC_SIZE] = { 0x02, 'p', 'v', 0, 0xff, 0x0a };
	char text[MAC_TEXT_SIZE];

	(void)state;
	assert_string_equal(mac_text(mac, text), "02:70:76:00:ff:0a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subnets_are_read_and_written),
		cmocka_unit_test(test_what_is_no_subnet),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_number_of_hosts),
		cmocka_unit_test(test_addresses_of_hosts),
		cmocka_unit_test(test_whose_address),
		cmocka_unit_test(test_mac_text),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
