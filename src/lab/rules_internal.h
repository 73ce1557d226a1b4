/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by rules.c, rules_state.c, impair.c, medium.c and heal.c alone. */
#ifndef PROVIUM_LAB_RULES_INTERNAL_H
#define PROVIUM_LAB_RULES_INTERNAL_H

#include <provium/wire.h>

struct bridge;
struct error;
struct member;
struct wire_change;
struct wire_changes;

/* The link from one member to another; NULL stands for any. */
struct wire_key rules_key(const struct bridge *bridge, const struct member *from, const struct member *to);

/* Gives the link of the change the generation and the clock that follow from the one that is in force: see struct wire_link. */
void rules_number(const struct bridge *bridge, struct wire_change *change);

/* medium.c: as wire_commit(), with what else of the bridge follows from the changes. */
int rules_commit(struct bridge *bridge, struct wire_changes *changes, struct error *err);

/* Whether a link that was written down elsewhere is one that the calls of rules.h could have made, in this kernel. */
int rules_check_link(const struct bridge *bridge, const struct wire_link *link, struct error *err);

#endif
