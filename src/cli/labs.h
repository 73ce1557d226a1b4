/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding one of the running labs, and a node in it, by what a person typed. Objects are those of lab/registry.h. */
#ifndef PROVIUM_CLI_LABS_H
#define PROVIUM_CLI_LABS_H

#include <jansson.h>

struct error;

/* Shorthand for a member that is text, or a number. */
const char *labs_text(const json_t *object, const char *name);
json_int_t labs_number(const json_t *object, const char *name);

/*
 * The run whose pid it is, or whose title it is or begins; NULL and an error that lists what there is. The result is the
 * list's.
 */
json_t *labs_find(const json_t *list, const char *which, struct error *err);

/* The node of that name; in a sub-lab by "LAB.NODE" too. NULL and an error that lists what there is. */
json_t *labs_find_node(const json_t *run, const char *which, struct error *err);
/* The same for a bridge. */
json_t *labs_find_bridge(const json_t *run, const char *which, struct error *err);

#endif
