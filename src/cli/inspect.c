// SPDX-License-Identifier: GPL-2.0-only
/* `provium inspect`: what a running lab is made of in the kernel, and the command lines that show it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/labs.h"
#include "lab/registry.h"
#include "node/node.h"
#include "util/error.h"
#include "util/terminal.h"

struct request {
	const char *lab; /* NULL: all */
	int as_json;
};

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "Print it as JSON" },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct request *request = state->input;

	if (key == 'J')
		request->as_json = 1;
	else if (key == ARGP_KEY_ARG && state->arg_num == 0)
		request->lab = text;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static void print_bridge(const json_t *bridge)
{
	const char *device = labs_text(bridge, "device");
	json_t *member;
	size_t i;

	terminal_line(stdout, "  bridge %s: number %lld in the maps, device %s", labs_text(bridge, "name"),
		      (long long)labs_number(bridge, "number"), *device ? device : "not made yet");
	json_array_foreach (json_object_get(bridge, "members"), i, member) {
		device = labs_text(member, "device");
		terminal_line(stdout, "    port %lld: %s, device %s, %s, %s", (long long)labs_number(member, "port"),
			      labs_text(member, "name"), *device ? device : "none (not up)", labs_text(member, "ip"),
			      labs_text(member, "ip6"));
	}
}

/* By way of exec, and not of nsenter(1): a node may have put anything in the place of a program that is looked for there. */
static void print_node(const json_t *run, const json_t *lab, const json_t *node)
{
	const char *home = labs_text(lab, "name");

	terminal_line(stdout, "  node %s: %s, %s", labs_text(node, "name"), labs_text(node, "profile"),
		      labs_text(node, "state"));
	if (labs_number(node, "pid") && strcmp(labs_text(node, "kind"), node_kind_netns.name) == 0)
		printf("    provium exec %lld %s%s%s\n", (long long)labs_number(run, "pid"), home, *home ? "." : "",
		       labs_text(node, "name"));
}

static void print_lab(const json_t *run, const json_t *lab)
{
	json_t *one;
	size_t i;

	if (*labs_text(lab, "name"))
		terminal_line(stdout, "  sub-lab %s", labs_text(lab, "name"));
	json_array_foreach (json_object_get(lab, "bridges"), i, one)
		print_bridge(one);
	json_array_foreach (json_object_get(lab, "nodes"), i, one)
		print_node(run, lab, one);
}

/* Programs are named as in bpf/, everything else in the list is a map. */
static void print_bpf(const json_t *ids)
{
	static const char program[] = "wire_";
	const char *name;
	json_t *id;

	json_object_foreach ((json_t *)ids, name, id) {
		bool is_program = strncmp(name, program, strlen(program)) == 0;

		printf("  %s %s: id %lld\n", is_program ? "program" : "map", name, (long long)json_integer_value(id));
		printf("    bpftool %s id %lld\n", is_program ? "prog dump xlated" : "map dump",
		       (long long)json_integer_value(id));
	}
}

static void print_run(const json_t *run)
{
	long long pid = labs_number(run, "pid");
	json_t *lab;
	size_t i;

	terminal_line(stdout, "lab %lld: %s, seed %lld", pid, labs_text(run, "title"),
		      (long long)labs_number(run, "seed"));
	printf("  its switch, where bridges, ports and queues are:\n");
	printf("    nsenter --target %lld --net --mount\n", pid);
	json_array_foreach (json_object_get(run, "labs"), i, lab)
		print_lab(run, lab);
	print_bpf(json_object_get(run, "bpf"));
}

static void print_all(const json_t *list, int as_json)
{
	json_t *run;
	size_t i;

	if (as_json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	if (!json_array_size(list))
		printf("no lab of yours is running\n");
	json_array_foreach (list, i, run)
		print_run(run);
}

int cli_inspect(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"[LAB]",
		"Show what a running lab, or every one, is made of: bridges, ports, devices, programs and maps, and "
		"the command "
		"lines to look further."
		"\vLAB is the pid of a lab, or its script's path or the beginning of it.",
	};
	struct request request = { 0 };
	json_t *list, *run;
	struct error err;

	cli_parse(&argp, argc, argv, 0, &request);
	list = registry_list();
	if (request.lab) {
		run = labs_find(list, request.lab, &err);
		if (!run) {
			json_decref(list);
			return cli_fail(&err);
		}
		run = json_pack("[O]", run);
		json_decref(list);
		list = run;
	}
	print_all(list, request.as_json);
	json_decref(list);
	return 0;
}
