// SPDX-License-Identifier: GPL-2.0-only
/* Protocols and EtherTypes by name and by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/names.h"

/* 0: it is none. */
static int protocol(const char *text)
{
	uint8_t number;

	return names_protocol(text, &number) ? number : 0;
}

static int ethertype(const char *text)
{
	uint16_t number;

	return names_ethertype(text, &number) ? number : 0;
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(protocol("tcp"), 6);
	assert_int_equal(protocol("TCP"), 6);
	assert_int_equal(protocol("ICMPv6"), 58);
	assert_int_equal(protocol("arp"), 0);
	assert_int_equal(protocol(""), 0);
	assert_int_equal(ethertype("arp"), 0x0806);
	assert_int_equal(ethertype("IPv6"), 0x86dd);
	assert_int_equal(ethertype("802.1Q"), 0x8100);
	assert_int_equal(ethertype("tcp"), 0);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(protocol("255"), 255);
	assert_int_equal(protocol("256"), 0);
	assert_int_equal(protocol("0"), 0);
	assert_int_equal(protocol("-1"), 0);
	assert_int_equal(protocol(" 6"), 0);
	assert_int_equal(protocol("6 "), 0);
	assert_int_equal(protocol("010"), 10);
	assert_int_equal(ethertype("0x86dd"), 0x86dd);
	assert_int_equal(ethertype("0X86DD"), 0x86dd);
	assert_int_equal(ethertype("65536"), 0);
	assert_int_equal(ethertype("99999999999999999999"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
