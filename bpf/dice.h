/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dice that fall the same way each time: a hash of the seed, the names of link and sender, the class of the frame, and its number
 * among those of that class from that sender on that link.
 */
#ifndef PROVIUM_BPF_DICE_H
#define PROVIUM_BPF_DICE_H

#include <stdbool.h>

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define SPLITMIX64_STEP 0x9e3779b97f4a7c15ULL

/* The output function of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
static __always_inline __u64 splitmix64(__u64 x)
{
	x += SPLITMIX64_STEP;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Uniform in 0 … 2^32 - 1. */
static __always_inline __u32 dice(__u64 link, __u64 kind, __u64 ordinal)
{
	return splitmix64(splitmix64(link ^ kind) + ordinal * SPLITMIX64_STEP) >> 32;
}

/* True with the given probability: scaled, so that a billion parts per billion are always true, and 0 never. */
static __always_inline bool dice_below(__u32 roll, __u32 probability_ppb)
{
	return (roll * 1000000000ULL) >> 32 < probability_ppb;
}

#endif
