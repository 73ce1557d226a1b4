// SPDX-License-Identifier: GPL-2.0-only
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/units.h"

#define MAX_JOBS   256
#define MAX_SHARDS 65536

enum long_option {
	OPTION_TAG = 256,
	OPTION_SHARD,
	OPTION_SEED,
	OPTION_PROFILE,
	OPTION_FORMAT,
	OPTION_KEEP,
	OPTION_TIMEOUT,
	OPTION_MAX_TIMEOUT,
	OPTION_LIST
};

static const struct argp_option options[] = {
	{ NULL, 'j', "N", 0, "Run up to N files at once (default 1)" },
	{ "filter", 'f', "TEXT", 0, "Run only tests whose name contains TEXT, or matches it as a Lua pattern" },
	{ "tag", OPTION_TAG, "TAG", 0, "Run only tests that carry TAG; !TAG: that do not. May be given several times" },
	{ "shard", OPTION_SHARD, "I/N", 0, "Run the I-th of N parts of the files, I from 1" },
	{ "seed", OPTION_SEED, "NUMBER", 0, "Fix all dice (default: a new seed, shown when a test fails)" },
	{ "profile", OPTION_PROFILE, "NAME=OTHER", 0,
	  "Make nodes of profile NAME as those of OTHER. May be given several times" },
	{ "format", OPTION_FORMAT, "FORMAT", 0, "human (default), tap, junit, or json" },
	{ "output", 'o', "FILE", 0, "Write the report to FILE; the terminal shows the human form" },
	{ "keep", OPTION_KEEP, NULL, 0, "After a failure stay up, for a look, until Ctrl-C" },
	{ "timeout", OPTION_TIMEOUT, "TIME", 0,
	  "Time limit of each test that sets none, such as 30s or 5m (default 60s)" },
	{ "max-timeout", OPTION_MAX_TIMEOUT, "TIME", 0, "Time limit that no test and no file can extend" },
	{ "list", OPTION_LIST, NULL, 0, "Show the tests, run none; what is outside of them runs" },
	{ 0 },
};

static const char doc[] =
	"Run Lua scripts that wire up machines, break the network between them, and watch what happens."
	"\vFILE is any Lua script, - one from the standard input; in a DIR, and all below it, those named *.test.lua "
	"are "
	"run.\n"
	"\n"
	"Other commands (provium COMMAND --help says more):\n"
	"  provium doctor                what this machine can do\n"
	"  provium ps                    the labs that run now\n"
	"  provium exec LAB NODE CMD...  run a command in a node of a running lab\n"
	"  provium capture LAB BRIDGE    what crosses a bridge, as pcap\n"
	"  provium inspect [LAB]         its bridges, ports, programs and maps\n"
	"  provium repl                  a lab to type at\n"
	"\n"
	"Exit status: 0 all passed, 1 a test failed, 2 could not run (also: no test matched), 128+N interrupted by "
	"signal N "
	"(Ctrl-C: 130).";

/* What argp needs to know while it parses. */
struct parsing {
	struct plan *plan;
	bool seeded;
	const char **tags, **profiles;
	char **paths;
	size_t path_count;
};

static int64_t parse_integer(struct argp_state *state, const char *option, const char *text, int64_t low, int64_t high)
{
	int64_t value = 0;

	if (!units_integer(text, low, high, &value))
		argp_error(state, "%s %s: give a whole number from %lld to %lld", option, text, (long long)low,
			   (long long)high);
	return value;
}

static void parse_shard(struct argp_state *state, const char *text, struct plan *plan)
{
	const char *slash = strchr(text, '/');
	char first[16] = "";
	int64_t shard = 0, shards = 0;

	if (slash && slash - text < (ptrdiff_t)sizeof(first))
		memcpy(first, text, (size_t)(slash - text));
	if (!slash || !units_integer(slash + 1, 1, MAX_SHARDS, &shards) || !units_integer(first, 1, shards, &shard))
		argp_error(state, "--shard %s: give I/N, such as 1/4 for the first of four parts", text);
	plan->shard = (unsigned int)shard - 1;
	plan->shards = (unsigned int)shards;
}

static void parse_profile(struct argp_state *state, const char *text, struct parsing *parsing)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || !equals[1])
		argp_error(state, "--profile %s: give NAME=OTHER, such as db=netns", text);
	parsing->profiles[parsing->plan->script.profile_count++] = text;
}

static void parse_format(struct argp_state *state, const char *text, struct plan *plan)
{
	static const char *const formats[] = { "human", "tap", "junit", "json" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(text, formats[i]) == 0)
			plan->format = formats[i];
	if (!plan->format)
		argp_error(state, "--format %s: there are human, tap, junit and json", text);
}

static uint64_t parse_timeout(struct argp_state *state, const char *option, const char *text)
{
	uint64_t timeout_ns;

	if (!units_from_string(QUANTITY_DURATION, text, &timeout_ns) || !timeout_ns)
		argp_error(state, "%s %s: give %s, more than 0", option, text, units_accepted(QUANTITY_DURATION));
	return timeout_ns;
}

static void check_all(struct argp_state *state, struct parsing *parsing)
{
	struct plan *plan = parsing->plan;

	if (!parsing->path_count)
		argp_error(state, "nothing to run: name files or folders");
	if (plan->script.list && plan->format &&
	    (strcmp(plan->format, "tap") == 0 || strcmp(plan->format, "junit") == 0))
		argp_error(state, "--list has the formats human and json");
	if (plan->script.keep && plan->script.list)
		argp_error(state, "--keep and --list exclude each other");
}

static error_t parse_switch(int key, char *text, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	struct plan *plan = parsing->plan;

	switch (key) {
	case 'f':
		plan->script.filter = text;
		return 0;
	case OPTION_TAG:
		if (!*text || strcmp(text, "!") == 0)
			argp_error(state, "--tag needs a name");
		parsing->tags[plan->script.tag_count++] = text;
		return 0;
	case 'o':
		plan->output = strcmp(text, "-") == 0 ? NULL : text;
		return 0;
	case OPTION_KEEP:
		plan->script.keep = true;
		return 0;
	case OPTION_LIST:
		plan->script.list = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	struct plan *plan = parsing->plan;

	switch (key) {
	case 'j':
		plan->jobs = (unsigned int)parse_integer(state, "-j", text, 1, MAX_JOBS);
		return 0;
	case OPTION_SEED:
		plan->script.seed = (uint64_t)parse_integer(state, "--seed", text, 0, (1LL << SEED_BITS) - 1);
		parsing->seeded = true;
		return 0;
	case OPTION_SHARD:
		parse_shard(state, text, plan);
		return 0;
	case OPTION_PROFILE:
		parse_profile(state, text, parsing);
		return 0;
	case OPTION_FORMAT:
		parse_format(state, text, plan);
		return 0;
	case OPTION_TIMEOUT:
		plan->script.timeout_ns = parse_timeout(state, "--timeout", text);
		return 0;
	case OPTION_MAX_TIMEOUT:
		plan->script.max_timeout_ns = parse_timeout(state, "--max-timeout", text);
		return 0;
	case ARGP_KEY_ARG:
		parsing->paths[parsing->path_count++] = text;
		return 0;
	case ARGP_KEY_END:
		check_all(state, parsing);
		return 0;
	}
	return parse_switch(key, text, state);
}

/* In quotes that every shell understands, unless it has none but harmless characters. */
static void add_quoted(struct buffer *line, const char *word)
{
	static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=,:@%+";

	if (*word && !word[strspn(word, harmless)]) {
		buffer_printf(line, "%s", word);
		return;
	}
	buffer_add(line, "'", 1);
	for (; *word; word++) {
		if (*word == '\'')
			buffer_add(line, "'\\''", 4);
		else
			buffer_add(line, word, 1);
	}
	buffer_add(line, "'", 1);
}

static void add_word(struct buffer *line, const char *word)
{
	buffer_add(line, " ", 1);
	add_quoted(line, word);
}

/* A script that comes from a file by the standard input needs it again. */
static void add_input(struct buffer *line, char **paths)
{
	char target[PATH_MAX];
	struct stat status;
	ssize_t size;

	while (*paths && !plan_is_standard_input(*paths))
		paths++;
	size = readlink("/proc/self/fd/0", target, sizeof(target) - 1);
	if (!*paths || fstat(STDIN_FILENO, &status) || !S_ISREG(status.st_mode) || size < 0)
		return;
	target[size] = '\0';
	buffer_printf(line, " <");
	add_quoted(line, target);
}

/* Of the words before argp, which changes their order. */
static char *repeat_command(int argc, char **argv, uint64_t seed, bool seeded, char **paths)
{
	const char *runner = getenv("PROVIUM_RUNNER");
	struct buffer line = { 0 };

	if (runner && *runner)
		buffer_printf(&line, " %s", runner);
	add_word(&line, program_invocation_name);
	buffer_printf(&line, " run");
	if (!seeded)
		buffer_printf(&line, " --seed %llu", (unsigned long long)seed);
	for (int i = 1; i < argc; i++)
		add_word(&line, argv[i]);
	add_input(&line, paths);
	/* Without the space in front. */
	memmove(line.data, line.data + 1, line.size);
	return line.data;
}

char **plan_parse(struct plan *plan, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "FILE|DIR...", doc };
	size_t room = (size_t)argc + 1;
	struct parsing parsing = {
		.plan = plan,
		.tags = memory_new(room * sizeof(char *)),
		.profiles = memory_new(room * sizeof(char *)),
		.paths = memory_new(room * sizeof(char *)),
	};
	char **words = memory_new(room * sizeof(*words));

	memcpy(words, argv, (size_t)argc * sizeof(*words));
	*plan = (struct plan){ .jobs = 1, .script = { .seed = cli_random_seed() } };
	cli_parse(&argp, argc, argv, 0, &parsing);
	plan->script.tags = parsing.tags;
	plan->script.profiles = parsing.profiles;
	if (!plan->format)
		plan->format = "human";
	plan->repeat = repeat_command(argc, words, plan->script.seed, parsing.seeded, parsing.paths);
	free(words);
	return parsing.paths;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->file_count; i++) {
		free(plan->files[i].path);
		free(plan->files[i].folder);
		buffer_free(&plan->files[i].text);
	}
	free(plan->files);
	free(plan->repeat);
	free((void *)plan->script.tags);
	free((void *)plan->script.profiles);
}
