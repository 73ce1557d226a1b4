// SPDX-License-Identifier: GPL-2.0-only
/* The addresses of cards: none of them twice in a run, however many bridges there were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/lab.h"

#define FIRST_PORT 1U
#define LAST_PORT  1023U /* of a bridge */
/* All of these are tried one by one. */
#define FIRST_BRIDGES 70000U

static const uint16_t ports[] = { FIRST_PORT, 2, 255, 256, 257, 767, LAST_PORT - 1, LAST_PORT };

/* Back to what it was made of: as this finds both, no other bridge and port have the same address. */
static void read_back(const uint8_t mac[static MAC_SIZE], uint32_t *bridge, uint16_t *port)
{
	uint32_t high = (uint32_t)(mac[0] >> 2) << 22 | (uint32_t)(mac[1] ^ 'p') << 14 | (uint32_t)(mac[2] ^ 'v') << 6 |
			mac[4] >> 2;

	*bridge = (high << 8 | (uint8_t)(mac[3] - 1)) + 1;
	*port = (uint16_t)((mac[4] & 3) << 8 | mac[5]);
}

static void check_ports(uint32_t bridge)
{
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		uint8_t mac[MAC_SIZE];
		uint32_t found;
		uint16_t port;

		member_mac(bridge, ports[i], mac);
		read_back(mac, &found, &port);
		if (found != bridge || port != ports[i])
			fail_msg("bridge %u, port %u has the address of bridge %u, port %u", bridge, ports[i], found,
				 port);
		if ((mac[0] & 3) != 2)
			fail_msg("bridge %u, port %u: %02x:… is no host's, or somebody's own", bridge, ports[i],
				 mac[0]);
	}
}

static void test_no_address_comes_twice(void **state)
{
	(void)state;
	for (uint32_t bridge = 1; bridge <= FIRST_BRIDGES; bridge++)
		check_ports(bridge);
	/* Around every power of two, up to the last number that there is. */
	for (unsigned int bit = 16; bit < 32; bit++)
		for (uint32_t bridge = (1U << bit) - 300; bridge < (1U << bit) + 300; bridge++)
			check_ports(bridge);
	for (uint32_t bridge = UINT32_MAX; bridge > UINT32_MAX - 300; bridge--)
		check_ports(bridge);
}

static void test_the_first_are_easily_read(void **state)
{
	(void)state;
	for (uint32_t bridge = 1; bridge <= 256; bridge++) {
		for (uint16_t port = FIRST_PORT; port <= LAST_PORT; port++) {
			const uint8_t wanted[MAC_SIZE] = {
				0x02, 'p', 'v', (uint8_t)bridge, (uint8_t)(port >> 8), (uint8_t)port
			};
			uint8_t mac[MAC_SIZE];

			member_mac(bridge, port, mac);
			assert_memory_equal(mac, wanted, MAC_SIZE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_address_comes_twice),
		cmocka_unit_test(test_the_first_are_easily_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
