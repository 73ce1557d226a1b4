/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How other processes find a running lab: a memory file of the lab's process, which /proc/PID/fd shows, with a JSON
 * description in it. It goes with the process, so there is nothing to tidy up and nothing that is out of date.
 */
#ifndef PROVIUM_LAB_REGISTRY_H
#define PROVIUM_LAB_REGISTRY_H

#include <jansson.h>

struct error;
struct lab;
struct run;

/* At most so many bytes: of a description, and of what in it is not the lab's own to choose. */
#define REGISTRY_SIZE	      (16 << 20)
#define REGISTRY_TITLE_SIZE   4096
#define REGISTRY_PROFILE_SIZE 255

/* What `provium ps` shows as the lab's script. It stays the caller's. */
void registry_set_title(const char *title);
/* Writes down what is there now. */
void registry_publish(struct run *run, const struct lab *root);
void registry_close(struct run *run);

/*
 * A description, as registry_list() has it, of that many bytes of text, which may be anybody's: whoever has the result need not
 * ask whether a member is there, of which type it is, or whether a name is one. NULL and an error if it is none. The caller drops
 * the reference.
 */
json_t *registry_parse(const char *text, size_t size, struct error *err);

/*
 * All running labs that this user may see: an array of
 *   {"pid", "title", "seed", "started" (s since 1970), "bpf": {name: id},
 *    "labs": [{"name", "nodes": [{"name", "profile", "kind", "state", "pid" (0: not up), "started" (see proc_started())}],
 *              "bridges": [{"name", "device", "number", "members": [{"name", "port", "device", "ip", "ip6"}]}]}]}
 * The caller drops the reference.
 */
json_t *registry_list(void);

#endif
