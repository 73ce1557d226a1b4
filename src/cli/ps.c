// SPDX-License-Identifier: GPL-2.0-only
/* `provium ps`: the labs that run now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/labs.h"
#include "lab/registry.h"
#include "util/buffer.h"
#include "util/terminal.h"

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "Print all that is known about each lab as JSON" },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	(void)text;
	if (key != 'J')
		return ARGP_ERR_UNKNOWN;
	*(int *)state->input = 1;
	return 0;
}

/* Names of all labs of the run: "a, b, sub.c". */
static void add_names(struct buffer *names, const json_t *run, const char *what)
{
	json_t *lab, *one;
	size_t i, k;

	json_array_foreach (json_object_get(run, "labs"), i, lab) {
		const char *home = labs_text(lab, "name");

		json_array_foreach (json_object_get(lab, what), k, one)
			buffer_printf(names, "%s%s%s%s", names->size ? ", " : "", home, *home ? "." : "",
				      labs_text(one, "name"));
	}
}

static const char *age_text(time_t seconds, char text[static 32])
{
	long long count = seconds < 0 ? 0 : seconds;

	if (count < 60)
		snprintf(text, 32, "%llds", count);
	else if (count < 3600)
		snprintf(text, 32, "%lldm%02llds", count / 60, count % 60);
	else
		snprintf(text, 32, "%lldh%02lldm", count / 3600, count / 60 % 60);
	return text;
}

static void print_run(const json_t *run)
{
	struct buffer nodes = { 0 }, bridges = { 0 };
	char age[32];

	add_names(&nodes, run, "nodes");
	add_names(&bridges, run, "bridges");
	terminal_line(stdout, "%-8lld %-8s %-17lld %s", (long long)labs_number(run, "pid"),
		      age_text(time(NULL) - labs_number(run, "started"), age), (long long)labs_number(run, "seed"),
		      labs_text(run, "title"));
	terminal_line(stdout, "         nodes: %s", nodes.size ? nodes.data : "none");
	terminal_line(stdout, "         bridges: %s", bridges.size ? bridges.data : "none");
	buffer_free(&nodes);
	buffer_free(&bridges);
}

int cli_ps(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, "Show the labs that run now, and what is in them." };
	json_t *list, *run;
	int as_json = 0;
	size_t i;

	cli_parse(&argp, argc, argv, 0, &as_json);
	list = registry_list();
	if (as_json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!json_array_size(list)) {
		printf("no lab of yours is running\n");
	} else {
		printf("%-8s %-8s %-17s %s\n", "PID", "AGE", "SEED", "SCRIPT");
		json_array_foreach (list, i, run)
			print_run(run);
	}
	json_decref(list);
	return 0;
}
