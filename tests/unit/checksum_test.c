// SPDX-License-Identifier: GPL-2.0-only
/* Checksums that a sender left to its card are filled in, and no others are touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "capture/checksum.h"

#define ETHERNET 14U
#define IPV4	 20U
#define IPV6	 40U
#define UDP	 8U
#define TCP	 20U

static uint16_t get(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* Ones' complement, the simple way. */
static uint16_t sum(const uint8_t *bytes, size_t size, uint16_t start)
{
	uint32_t total = start;

	for (size_t i = 0; i < size; i++)
		total += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static size_t put_ethernet(uint8_t *frame, uint16_t ethertype)
{
	memset(frame, 2, ETHERNET - 2);
	put(frame + ETHERNET - 2, ethertype);
	return ETHERNET;
}

static size_t put_ipv4(uint8_t *packet, uint8_t protocol, size_t segment)
{
	memset(packet, 0, IPV4);
	packet[0] = 0x45;
	put(packet + 2, (uint16_t)(IPV4 + segment));
	packet[9] = protocol;
	memcpy(packet + 12, "\x0a\x01\x00\x02\x0a\x01\xff\xfd", 8);
	return IPV4;
}

static size_t put_ipv6(uint8_t *packet, uint8_t next, size_t payload)
{
	memset(packet, 0xf9, IPV6);
	packet[0] = 0x60;
	put(packet + 4, (uint16_t)payload);
	packet[6] = next;
	return IPV6;
}

/* The sum of a pseudo-header, which a sender leaves in the place of the checksum. */
static uint16_t open_sum(const uint8_t *addresses, size_t count, uint8_t protocol, size_t size)
{
	return sum(addresses, count, (uint16_t)(protocol + size));
}

static void put_segment(uint8_t *segment, uint8_t protocol, size_t size, uint16_t checksum)
{
	for (size_t i = 0; i < size; i++)
		segment[i] = (uint8_t)(i * 37 + 1);
	put(segment + (protocol == IPPROTO_TCP ? 16 : 6), checksum);
}

static void assert_right(const uint8_t *segment, size_t size, uint16_t open)
{
	assert_int_equal(sum(segment, size, open), 0xffff);
}

static void test_udp_and_tcp(void **state)
{
	const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

	(void)state;
	/* An odd size has a byte of its own at the end; padding behind the packet does not count. */
	for (size_t i = 0; i < 4; i++) {
		uint8_t frame[200] = { 0 }, *segment = frame + ETHERNET + IPV4, protocol = protocols[i % 2];
		size_t size = 41 + i / 2;
		uint16_t open;

		put_ethernet(frame, 0x0800);
		put_ipv4(frame + ETHERNET, protocol, size);
		open = open_sum(frame + ETHERNET + 12, 8, protocol, size);
		put_segment(segment, protocol, size, open);
		memset(segment + size, 0x55, 10);
		checksum_fill(frame, ETHERNET + IPV4 + size + 10);
		assert_right(segment, size, open);
	}
}

static void test_within_tags_and_extensions(void **state)
{
	uint8_t frame[200], *packet = frame + ETHERNET + 8, *segment = packet + IPV6 + 8;
	uint16_t open;

	(void)state;
	put_ethernet(frame, 0x88a8);
	put(frame + 14, 7);
	put(frame + 16, 0x8100);
	put(frame + 18, 8);
	put(frame + 20, 0x86dd);
	put_ipv6(packet, IPPROTO_DSTOPTS, 8 + 40);
	memset(packet + IPV6, 0, 8);
	packet[IPV6] = IPPROTO_TCP;
	open = open_sum(packet + 8, 32, IPPROTO_TCP, 40);
	put_segment(segment, IPPROTO_TCP, 40, open);
	checksum_fill(frame, (size_t)(segment + 40 - frame));
	assert_right(segment, 40, open);
}

static void test_within_tunnels(void **state)
{
	uint8_t frame[300], *outer = frame + ETHERNET + IPV4, *inner = outer + UDP + 8, *packet = inner + ETHERNET;
	uint8_t *second = packet + IPV4, *segment = second + IPV6;
	uint16_t open;

	(void)state;
	put_ethernet(frame, 0x0800);
	put_ipv4(frame + ETHERNET, IPPROTO_UDP, UDP + 8 + ETHERNET + IPV4 + IPV6 + 50);
	memset(outer, 0, UDP + 8); /* a checksum of 0: none */
	put(outer + 2, 4789);
	put_ethernet(inner, 0x0800);
	put_ipv4(packet, IPPROTO_IPV6, IPV6 + 50);
	put_ipv6(second, IPPROTO_UDP, 50);
	open = open_sum(second + 8, 32, IPPROTO_UDP, 50);
	put_segment(segment, IPPROTO_UDP, 50, open);
	checksum_fill(frame, (size_t)(segment + 50 - frame));
	assert_right(segment, 50, open);
	assert_int_equal(get(outer + 6), 0);
}

/* What is there already, right or wrong; what is no whole segment; what has none. */
static void test_all_else_stays(void **state)
{
	uint8_t frame[100], before[100], *packet = frame + ETHERNET, *segment = packet + IPV4;
	uint16_t open;

	(void)state;
	put_ethernet(frame, 0x0800);
	put_ipv4(packet, IPPROTO_UDP, 30);
	open = open_sum(packet + 12, 8, IPPROTO_UDP, 30);
	put_segment(segment, IPPROTO_UDP, 30, (uint16_t)(open + 1));
	memcpy(before, frame, sizeof(frame));
	checksum_fill(frame, ETHERNET + IPV4 + 30);
	assert_memory_equal(frame, before, sizeof(frame));

	put_segment(segment, IPPROTO_UDP, 30, open);
	memcpy(before, frame, sizeof(frame));
	for (size_t size = 0; size < ETHERNET + IPV4 + 30; size++)
		checksum_fill(frame, size);
	assert_memory_equal(frame, before, sizeof(frame));

	put(packet + 6, 0x2000); /* more fragments */
	memcpy(before, frame, sizeof(frame));
	checksum_fill(frame, ETHERNET + IPV4 + 30);
	assert_memory_equal(frame, before, sizeof(frame));

	put(packet + 6, 0);
	packet[9] = IPPROTO_ICMP;
	memcpy(before, frame, sizeof(frame));
	checksum_fill(frame, ETHERNET + IPV4 + 30);
	assert_memory_equal(frame, before, sizeof(frame));
}

/* In UDP 0 means that there is no checksum, so one that comes out as 0 is written as 0xffff. */
static void test_zero(void **state)
{
	uint8_t frame[100], *packet = frame + ETHERNET, *segment = packet + IPV4;
	uint16_t open;

	(void)state;
	put_ethernet(frame, 0x0800);
	put_ipv4(packet, IPPROTO_UDP, 10);
	open = open_sum(packet + 12, 8, IPPROTO_UDP, 10);
	put_segment(segment, IPPROTO_UDP, 10, open);
	put(segment + 8, 0);
	put(segment + 8, (uint16_t)~sum(segment, 10, 0));
	checksum_fill(frame, ETHERNET + IPV4 + 10);
	assert_int_equal(get(segment + 6), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp_and_tcp),    cmocka_unit_test(test_within_tags_and_extensions),
		cmocka_unit_test(test_within_tunnels), cmocka_unit_test(test_all_else_stays),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
