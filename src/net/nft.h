/* SPDX-License-Identifier: GPL-2.0-only */
/* A table of nftables, through libnftables. */
#ifndef PROVIUM_NET_NFT_H
#define PROVIUM_NET_NFT_H

struct error;
struct nft_table;

/*
 * Makes the table, of the family inet, in the network namespace of the calling thread. The kernel removes it when it is closed
 * or the process ends, however that ends (`flags owner`, Linux 5.12). The name must be free. chains: as in a ruleset of nft(8),
 * "chain c { … }". EOPNOTSUPP if the kernel has no nft, or not what the chains need.
 */
int nft_table_open(struct nft_table **result, const char *name, const char *chains, struct error *err);
/* Puts other rules into the same chains, at one instant; from any namespace. On an error those before stay. */
int nft_table_replace(struct nft_table *table, const char *chains, struct error *err);
void nft_table_close(struct nft_table *table); /* NULL is fine */

#endif
