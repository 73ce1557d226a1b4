/* SPDX-License-Identifier: GPL-2.0-only */
/* Protocols by the names that people use for them. Not from /etc/protocols, which may be missing. */
#ifndef PROVIUM_CAPTURE_NAMES_H
#define PROVIUM_CAPTURE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* A name or a number, of what stands in an IP header; false if it is neither. 0 is none. */
bool names_protocol(const char *text, uint8_t *protocol);
/* The same for an EtherType. */
bool names_ethertype(const char *text, uint16_t *ethertype);

/* For error texts. */
#define NAMES_PROTOCOLS	 "\"tcp\", \"udp\", \"icmp\", \"icmp6\", \"sctp\", … or a number from 1 to 255"
#define NAMES_ETHERTYPES "\"ip\", \"ip6\", \"arp\", \"vlan\", … or a number from 1 to 65535"

#endif
