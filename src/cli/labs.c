// SPDX-License-Identifier: GPL-2.0-only
#include "cli/labs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/units.h"
#include "util/utf8.h"

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
	struct buffer title = { 0 };
	size_t i, count;
	int64_t pid;
	json_t *run;

	if (units_integer(which, 1, INT32_MAX, &pid)) {
		json_array_foreach (list, i, run)
			if (labs_number(run, "pid") == pid)
				return run;
	}
	/* As the title of a script's path that is not UTF-8. */
	utf8_repair(&title, which, strlen(which));
	run = find_by_title(list, buffer_string(&title), true, &count);
	if (!count)
		run = find_by_title(list, buffer_string(&title), false, &count);
	buffer_free(&title);
	if (count == 1)
		return run;
	if (count)
		error_set(err, EINVAL, "`%s` is the beginning of %zu labs; name one by its pid", which, count);
	else
		error_set(err, ENOENT, "no lab `%s` (a pid, or the beginning of a script's path)", which);
	list_runs(list, err);
	return NULL;
}

static void full_name(const json_t *lab, const json_t *one, char *name, size_t size)
{
	snprintf(name, size, "%s%s%s", labs_text(lab, "name"), *labs_text(lab, "name") ? "." : "",
		 labs_text(one, "name"));
}

/* "node" or "bridge"; the array is called "nodes" or "bridges". */
static json_t *all_of(const json_t *lab, const char *kind)
{
	char name[16];

	snprintf(name, sizeof(name), "%ss", kind);
	return json_object_get(lab, name);
}

static void list_all(const json_t *run, const char *kind, struct error *err)
{
	json_t *lab, *one;
	bool any = false;
	size_t i, k;

	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		json_array_foreach (all_of(lab, kind), k, one) {
			const char *state = labs_text(one, "state");
			char name[128];

			full_name(lab, one, name, sizeof(name));
			error_append(err, "%s%s", any ? ", " : "; there are: ", name);
			if (*state)
				error_append(err, " (%s)", state);
			any = true;
		}
	}
	if (!any)
		error_append(err, "; it has no %ss", kind);
}

static json_t *find_one(const json_t *run, const char *kind, const char *which, struct error *err)
{
	json_t *lab, *one, *found = NULL;
	size_t i, k, count = 0;

	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		json_array_foreach (all_of(lab, kind), k, one) {
			char name[128];

			full_name(lab, one, name, sizeof(name));
			if (strcmp(name, which) == 0)
				return one;
			/* One that several labs share is in the list several times. */
			if (strcmp(labs_text(one, "name"), which) == 0 && !(found && json_equal(found, one))) {
				found = one;
				count++;
			}
		}
	}
	if (count == 1)
		return found;
	error_set(err, ENOENT, count ? "lab %lld has several %ss `%s`" : "lab %lld has no %s `%s`",
		  (long long)labs_number(run, "pid"), kind, which);
	list_all(run, kind, err);
	return NULL;
}

json_t *labs_find_node(const json_t *run, const char *which, struct error *err)
{
	return find_one(run, "node", which, err);
}

json_t *labs_find_bridge(const json_t *run, const char *which, struct error *err)
{
	return find_one(run, "bridge", which, err);
}
