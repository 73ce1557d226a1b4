// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process that may be anybody's says about its lab, and who looks for something in it. The text to look for ends at
 * the first newline, the description stands behind that.
 */
#include <string.h>

#include "cli/labs.h"
#include "fuzz.h"
#include "lab/registry.h"
#include "util/error.h"
#include "util/memory.h"

/* Whoever has a description need not ask whether something is there. */
static void check_members(const json_t *run)
{
	json_t *lab, *one, *member;
	size_t i, k, n;

	require(labs_number(run, "pid") > 0 && labs_number(run, "seed") >= 0 && labs_number(run, "started") >= 0);
	require(strlen(labs_text(run, "title")) <= REGISTRY_TITLE_SIZE);
	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		require(json_is_string(json_object_get(lab, "name")));
		json_array_foreach (json_object_get(lab, "nodes"), k, one) {
			require(*labs_text(one, "name") && *labs_text(one, "kind") && *labs_text(one, "state"));
			require(labs_number(one, "pid") >= 0);
		}
		json_array_foreach (json_object_get(lab, "bridges"), k, one) {
			require(*labs_text(one, "name") && labs_number(one, "number") > 0);
			json_array_foreach (json_object_get(one, "members"), n, member) {
				require(*labs_text(member, "name") && labs_number(member, "port") > 0);
				require(labs_number(member, "port") <= UINT16_MAX);
			}
		}
	}
}

static void check_found(const json_t *found, const struct error *err)
{
	require(found || (err->code && *err->text && memchr(err->text, '\0', sizeof(err->text))));
}

static void look_for(json_t *run, const char *which)
{
	json_t *list = json_array(), *found;
	struct error err = { 0 };

	json_array_append(list, run);
	json_array_append(list, run);
	found = labs_find(list, which, &err);
	check_found(found, &err);
	check_found(labs_find_node(run, which, &err), &err);
	check_found(labs_find_bridge(run, which, &err), &err);
	json_decref(list);
}

/* Written again, it is the same. */
static void write_again(const json_t *run)
{
	char *text = json_dumps(run, JSON_COMPACT);
	json_t *again;
	struct error err;

	require(text);
	again = registry_parse(text, strlen(text), &err);
	require(again && json_equal(run, again));
	json_decref(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	size_t length = newline ? (size_t)(newline - data) : 0, skipped = newline ? length + 1 : 0;
	char *which = memory_new(length + 1);
	struct error err = { 0 };
	json_t *run;

	if (length)
		memcpy(which, data, length);
	run = registry_parse((const char *)data + skipped, size - skipped, &err);
	check_found(run, &err);
	if (run) {
		check_members(run);
		look_for(run, which);
		write_again(run);
	}
	json_decref(run);
	free(which);
	return 0;
}
