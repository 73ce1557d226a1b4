/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Profiles: what the second argument of provium:vm() may be. Built in are the kinds of nodes themselves ("netns", "vm");
 * others come from a configuration file, and --profile NAME=OTHER maps names.
 *
 * The file is called provium.lua and is looked for in the script's folder and upwards. It returns a table:
 *
 *     return {
 *         profiles = {
 *             debian = { disk = "debian-12.qcow2", memory = "1G", cpus = 2 },
 *             mine = { kernel = "bzImage", initrd = "rootfs.img", cmdline = "quiet", agent = false },
 *             big = { base = "debian", memory = "4G" },
 *         },
 *     }
 *
 * Paths are relative to the file's folder.
 */
#ifndef PROVIUM_SCRIPT_PROFILES_H
#define PROVIUM_SCRIPT_PROFILES_H

struct error;
struct machine_profile;
struct profiles;
struct script_options;

/* Reads the file for a script of that path, if there is one. The options must outlive the profiles. */
int profiles_open(struct profiles **profiles, const char *script_path, const struct script_options *options,
		  struct error *err);
/* Where require() is to look, in the form of package.path with a ";" at its end: below the roots. "" without a configuration. */
const char *profiles_search_path(const struct profiles *profiles);
void profiles_close(struct profiles *profiles); /* NULL is fine */

/* For struct lab: context is the profiles. */
int profiles_find(void *context, const char *name, const struct machine_profile **profile, struct error *err);

#endif
