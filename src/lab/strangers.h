/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules and filters may come before those whom they name, so that a misspelt name is no error when it is said. If nobody of that
 * name is ever attached, it has meant nobody, and whoever said it has proved nothing.
 */
#ifndef PROVIUM_LAB_STRANGERS_H
#define PROVIUM_LAB_STRANGERS_H

#include <stdbool.h>

struct bridge;
struct buffer;
struct lab;
struct run;

/* The bridge is about to close: what it knows of them is kept with the run. */
void strangers_keep(const struct bridge *bridge);

/*
 * Adds one line without an end about all of them that were named in a scope of this depth or deeper, in any lab below this one.
 * Each is told once. False if there are none.
 */
bool strangers_tell(struct lab *root, unsigned int depth, struct buffer *text);

/* At the end of a run: those that were never told, on standard error. */
void strangers_close(struct run *run);

#endif
