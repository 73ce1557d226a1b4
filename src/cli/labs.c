// SPDX-License-Identifier: GPL-2.0-only
#include "cli/labs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/units.h"

const char *labs_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

json_int_t labs_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void list_runs(const json_t *list, struct error *err)
{
	size_t i;
	json_t *run;

	if (!json_array_size(list))
		error_append(err, "; no lab of yours is running");
	json_array_foreach (list, i, run)
		error_append(err, "%s%lld (%s)", i ? ", " : "; running: ", (long long)labs_number(run, "pid"),
			     labs_text(run, "title"));
}

static json_t *find_by_title(const json_t *list, const char *which, bool whole, size_t *count)
{
	json_t *run, *found = NULL;
	size_t i;

	*count = 0;
	json_array_foreach (list, i, run) {
		const char *title = labs_text(run, "title");

		if (whole ? strcmp(title, which) != 0 : strncmp(title, which, strlen(which)) != 0)
			continue;
		found = run;
		(*count)++;
	}
	return found;
}

json_t *labs_find(const json_t *list, const char *which, struct error *err)
{
	size_t i, count;
	int64_t pid;
	json_t *run;

	if (units_integer(which, 1, INT32_MAX, &pid)) {
		json_array_foreach (list, i, run)
			if (labs_number(run, "pid") == pid)
				return run;
	}
	run = find_by_title(list, which, true, &count);
	if (!count)
		run = find_by_title(list, which, false, &count);
	if (count == 1)
		return run;
	if (count)
		error_set(err, EINVAL, "`%s` is the beginning of %zu labs; name one by its pid", which, count);
	else
		error_set(err, ENOENT, "no lab `%s` (a pid, or the beginning of a script's path)", which);
	list_runs(list, err);
	return NULL;
}

static void full_name(const json_t *lab, const json_t *node, char *name, size_t size)
{
	snprintf(name, size, "%s%s%s", labs_text(lab, "name"), *labs_text(lab, "name") ? "." : "",
		 labs_text(node, "name"));
}

static void list_nodes(const json_t *run, struct error *err)
{
	json_t *lab, *node;
	bool any = false;
	size_t i, k;

	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		json_array_foreach (json_object_get(lab, "nodes"), k, node) {
			char name[128];

			full_name(lab, node, name, sizeof(name));
			error_append(err, "%s%s (%s)", any ? ", " : "; there are: ", name, labs_text(node, "state"));
			any = true;
		}
	}
	if (!any)
		error_append(err, "; it has no nodes");
}

json_t *labs_find_node(const json_t *run, const char *which, struct error *err)
{
	json_t *lab, *node, *found = NULL;
	size_t i, k, count = 0;

	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		json_array_foreach (json_object_get(lab, "nodes"), k, node) {
			char name[128];

			full_name(lab, node, name, sizeof(name));
			if (strcmp(name, which) == 0)
				return node;
			/* A node that several labs share is in the list several times. */
			if (strcmp(labs_text(node, "name"), which) == 0 && !(found && json_equal(found, node))) {
				found = node;
				count++;
			}
		}
	}
	if (count == 1)
		return found;
	error_set(err, ENOENT, count ? "lab %lld has several nodes `%s`" : "lab %lld has no node `%s`",
		  (long long)labs_number(run, "pid"), which);
	list_nodes(run, err);
	return NULL;
}
