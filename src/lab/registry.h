/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How other processes find a running lab: a sealed memory file of the lab's process, which /proc/PID/fd shows, with a JSON
 * description in it. It goes with the process, so there is nothing to tidy up and nothing that is out of date.
 *
 * Any process can have such a file. What is found in one of another user leads nowhere: see registry_list().
 */
#ifndef PROVIUM_LAB_REGISTRY_H
#define PROVIUM_LAB_REGISTRY_H

#include <fcntl.h>
#include <jansson.h>

struct error;
struct lab;
struct run;
struct wire_ids;

#define REGISTRY_FILE  "provium-lab"
#define REGISTRY_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

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
 * All running labs of the caller: an array of
 *   {"pid", "title", "seed", "started" (s since 1970), "bpf": {name: id},
 *    "labs": [{"name", "nodes": [{"name", "profile", "kind", "state", "pid" (0: not up), "started" (see proc_started())}],
 *              "bridges": [{"name", "device", "number", "members": [{"name", "port", "device", "ip", "ip6"}]}]}]}
 * A lab is the caller's if its process has no other uid than the caller's effective one, in the caller's user and process
 * namespace, and CAP_SYS_ADMIN, without which there is no lab; if the file is the caller's, too; and if the process holds the
 * programs and maps that it names. All others are passed over. The caller drops the reference.
 */
json_t *registry_list(void);

/* The ids of a lab in that list. */
struct wire_ids registry_ids(const json_t *run);

#endif
