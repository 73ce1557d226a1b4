/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The script language: a Lua state in which `provium` is the lab. This header is all that the command needs to know of
 * the binding; the parts of the binding itself share script/internal.h.
 */
#ifndef PROVIUM_SCRIPT_SCRIPT_H
#define PROVIUM_SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct error;

/* What the command line says about how scripts run. Strings belong to the caller and outlive the script. */
struct script_options {
	const char *filter;	 /* NULL, or a Lua pattern or plain text that a test's name must contain */
	const char *const *tags; /* a test must carry one of them; "!tag": must not */
	size_t tag_count;
	const char *const *profiles; /* "name=kind", the last one wins */
	size_t profile_count;
	unsigned int shard, shards; /* run the tests whose number is shard modulo shards; shards 0: all */
	unsigned int file_number;   /* of this file in the run: so that shards are even over many small files */
	uint64_t seed;
	uint64_t timeout_ns; /* of each test; 0: the default, 60 s */
	bool list;	     /* tests are named, not run */
	bool keep;	     /* after the first failure stay up until interrupted */
	int events;	     /* descriptor for the events below */
};

/*
 * Runs one script file in this process, which moves into a network of its own for good: call it in a child process.
 * Every event is one line of JSON to options->events:
 *
 *   {"event": "start", "file", "seed"}
 *   {"event": "list", "file", "name", "tags": [..], "line"}                            with --list, one a test
 *   {"event": "begin", "file", "name"}                                                  a test begins
 *   {"event": "test", "file", "name", "status": "passed" | "failed" | "skipped" | "todo", "seconds", "line",
 *    "reason",                                                       of a skip or a todo, may be absent
 *    "message", "trace", "values": [..], "consoles": [{"node", "text"}], "notes": [..]}  of a failure, with its place
 *   {"event": "keep", "pid"}                                                            stays up (--keep)
 *   {"event": "end", "file", "interrupted": bool, "error"}     error: present if the file could not be run at all
 *
 * A file without a call of test() is itself one test. What the script prints goes to stdout. A process that ends without
 * "end" has crashed. Returns 0, or -errno if not even the events could be written.
 */
int script_run_file(const char *path, const struct script_options *options);

/*
 * A Lua state in which a person can type: standard libraries, `provium`, `test` and the rest. NULL and an error if the
 * lab cannot be opened. Close it with script_close().
 */
lua_State *script_open(const struct script_options *options, struct error *err);
void script_close(lua_State *L);

/* A Lua state with the standard libraries, json and the modules of lua/ (require "provium.report.tap"), but without a lab. */
lua_State *script_open_plain(void);

#endif
