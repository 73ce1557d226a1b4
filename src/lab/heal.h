/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When frames get through again, the next one is to get through. A node's kernel asks in vain who has an address, while what it
 * asks is dropped, and then waits for up to a second before it asks again, with all packets. So when something that stood in
 * the way has gone, the nodes concerned forget what they have asked for in vain, about each other alone: another question that
 * waits for its answer, over a long link, is none of it. Best effort: a guest without an agent is as slow as its kernel.
 */
#ifndef PROVIUM_LAB_HEAL_H
#define PROVIUM_LAB_HEAL_H

#include <stddef.h>

struct bridge;
struct error;
struct member;
struct wire_changes;

/* Puts changes of the bridge's links in force, and heals those that let more through than before. As wire_commit(). */
int heal_commit(struct bridge *bridge, struct wire_changes *changes, struct error *err);

/* The member hears and is heard again. */
void heal_member(struct member *member);

/* These have come onto their bridges, with new network cards. Others may have asked for them before. */
void heal_arrivals(struct member *const *members, size_t count);

#endif
