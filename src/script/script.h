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
	uint64_t seed;
	uint64_t timeout_ns;	 /* of each test, unless it or its file says otherwise; 0: the default, 60 s */
	uint64_t max_timeout_ns; /* of each test, deferred function and file's body, whatever they say; 0: none */
	bool list;		 /* tests are named, not run */
	bool keep;		 /* after the first failure stay up until interrupted */
	int events;		 /* a stream socket for the events below */
};

/* A script, as it was read. */
struct script_source {
	const char *path;   /* for people */
	const char *folder; /* where `require` looks, and the search for the configuration begins; ends with a slash */
	const char *text;
	size_t size;
};

/*
 * Runs one script in this process, which moves into a network of its own for good: call it in a child process.
 * Every event is one line of JSON to options->events. It is to be answered by one byte once it was taken, and all that was
 * printed before it: until then the script waits.
 *
 *   {"event": "start", "file", "seed"}
 *   {"event": "list", "file", "name", "tags": [..], "line"}                            with --list, one a test
 *   {"event": "begin", "file", "name", "line"}                     a test begins; the line of its call
 *   {"event": "test", "file", "name", "status": "passed" | "failed" | "skipped" | "todo", "seconds",
 *    "line",                                                        of the failure, or of the test
 *    "broken": true,                                                of the file itself: it failed between its tests
 *    "reason",                                                      of a skip or a todo, may be absent
 *    "message", "trace", "values": [..], "consoles": [{"node", "text"}], "notes": [..]}  of a failure, with its place
 *   {"event": "keep", "pid"}                                                            stays up (--keep)
 *   {"event": "end", "file", "interrupted": bool,
 *    "complete": bool,                                               false: tests behind the place where it ended did not run
 *    "error"}                                                        present if the file could not be run at all
 *   {"event": "loss", "file", "cause", "frames"}                    behind the end: what the machine lost, see lab/losses.h
 *
 * A script without a call of test() is itself one test. What it prints goes to stdout. A process that ends without "end"
 * has crashed. Returns 0, or -errno if not even the events could be written.
 */
int script_run_file(const struct script_source *source, const struct script_options *options);

/*
 * A Lua state in which a person can type: standard libraries, `provium`, `test` and the rest. NULL and an error if the
 * lab cannot be opened. Close it with script_close().
 */
lua_State *script_open(const struct script_options *options, struct error *err);
void script_close(lua_State *L);

/* Pushes the part of the options that chooses tests, for lua/choice.lua: a table {filter, tags}. */
void script_push_choice(lua_State *L, const struct script_options *options);

/* A Lua state with the standard libraries, json and the modules of lua/ (require "provium.report.tap"), but without a lab. */
lua_State *script_open_plain(void);

#endif
