/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of src/script alone. Each userdata has a file of its own; what they have in common is here: classes
 * (class.c), arguments (args.c) and the state of the script (script.c).
 *
 * Every method is a C closure whose first upvalue is its name as a script writes it, such as "bridge:attach". Errors are
 * raised by script_raise() and script_fail(), which put the place and that name in front. Raising jumps: hold nothing.
 */
#ifndef PROVIUM_SCRIPT_INTERNAL_H
#define PROVIUM_SCRIPT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

#include "lab/lab.h"
#include "script/script.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/units.h"
#include "util/wait.h"

struct profiles;
struct script_capture;
struct script_process;

struct script {
	lua_State *L;
	const struct script_options *options;
	struct profiles *profiles;
	struct run *run;
	struct lab *root;
	const char *path;		  /* of a script that sends events */
	struct script_process *processes; /* all that are open, the youngest first */
	struct script_capture *captures;  /* the same */
	struct wait_idler idler;	  /* collects what processes print */
	uint64_t timeout_ns;		  /* of a test */
	bool reset_between_tests;
	bool claimed; /* by lab:claim() */
	bool guarded; /* a test or a file's body runs: an interrupt is to be raised in it */
};

struct script *script_of(lua_State *L);

/* class.c */

/* A method or a function that scripts call. What is called with more arguments than it takes raises an error. */
struct script_function {
	const char *name;
	lua_CFunction function;
	int most; /* arguments, beside self */
};

/*
 * What each userdata of ours that a script gets begins with. By it, and not by its metatable, it is known: that is in the hands of
 * scripts, which can give it to anything (debug.setmetatable), and call what is in it with anything.
 */
struct script_userdata {
	const char *type; /* the pointer tells, not the text */
};
/* Pushes a new one, which is all zero behind its beginning. type is also its metatable's name. */
void *script_new_userdata(lua_State *L, const char *type, size_t size);
/* The value as a userdata of the type; else NULL, or an error. index may be that of an upvalue. */
void *script_test_userdata(lua_State *L, int index, const char *type);
void *script_check_userdata(lua_State *L, int index, const char *type);

struct script_class {
	const char *type; /* the metatable's name, which Lua's type errors show: "provium.bridge" */
	const char *name; /* in front of the methods' names: "bridge" */
	const struct script_function *methods;
	const struct script_function *more_methods; /* from a second file, or NULL */
	const struct script_function *functions;    /* called with a dot or a colon, or NULL */
	const struct script_function *absent;	    /* likewise: not here, which is all they say; or NULL */
	const luaL_Reg *metamethods;
	void (*ref)(void *object);
	void (*unref)(void *object);
};

/* Makes the metatable, __index being the table of methods unless a metamethod says otherwise. */
void script_register_class(lua_State *L, const struct script_class *class);
/* Pushes the table of methods of a class. */
void script_push_methods(lua_State *L, const struct script_class *class);
/* Puts closures into the table on top of the stack, named prefix + name in errors. They are methods if the prefix ends with ":". */
void script_set_functions(lua_State *L, const char *prefix, const struct script_function *functions);
/* Pushes the one userdata that stands for the object, which it refers to until it is collected. */
void script_push_object(lua_State *L, const struct script_class *class, void *object);
/* The object of the argument, which must be a userdata of the class. */
void *script_check_object(lua_State *L, int index, const struct script_class *class);
/* The same, or NULL. */
void *script_test_object(lua_State *L, int index, const struct script_class *class);

/* Of the method that runs, as a script writes it. */
const char *script_method_name(lua_State *L);

/* table[key] = value for the table on top of the stack. */
void script_set_count(lua_State *L, const char *key, uint64_t value);

/* Raise "place: bridge:attach: text". */
__attribute__((noreturn)) int script_raise(lua_State *L, const struct error *err);
__attribute__((noreturn, format(printf, 2, 3))) int script_fail(lua_State *L, const char *format, ...);

extern const struct script_class script_class_lab, script_class_bridge, script_class_vm, script_class_nic;

/* args.c: all of these raise an error that names the method, the argument, the value, and what is accepted. */

/* Of a string. NULL for what is none, or has a NUL byte in it: what stands behind that would be passed over. */
const char *script_text(lua_State *L, int index);
uint64_t script_check_quantity(lua_State *L, int index, const char *argument, enum quantity quantity);
uint64_t script_opt_quantity(lua_State *L, int index, const char *argument, enum quantity quantity, uint64_t otherwise);
const char *script_check_string(lua_State *L, int index, const char *argument);
void script_check_table(lua_State *L, int index, const char *argument);
/*
 * How many elements the list has. A key that is none of a list's is refused: what it says would be passed over. Where it has
 * holes, one of so many elements is nil.
 */
size_t script_check_list(lua_State *L, int index, const char *argument, const char *accepted);
/* A node, or the name of one. The name lives as long as the argument. */
struct party script_check_party(lua_State *L, int index, const char *argument);
/* "argument `x` is <value>; <accepted> is accepted". */
__attribute__((noreturn)) int script_refuse(lua_State *L, int index, const char *argument, const char *accepted);
/* The argument at this index is one that the method has no use for: it takes `most` beside the `selves` in front of them. */
__attribute__((noreturn)) int script_refuse_surplus(lua_State *L, int index, int selves, int most);

enum option_kind {
	OPTION_QUANTITY, /* uint64_t */
	OPTION_STRING,	 /* const char *, which lives as long as the table */
	OPTION_INTEGER,	 /* uint64_t, from 1 to limit */
	OPTION_BOOL,	 /* bool */
	OPTION_PARTY,	 /* struct party */
	OPTION_VALUE,	 /* int: the stack index at which the value was put */
	OPTION_LATER,	 /* known, but refused */
};
struct option {
	const char *name;
	enum option_kind kind;
	void *target;
	enum quantity quantity;
	uint64_t limit;
	bool *given; /* or NULL */
};
/* Walks the table. Unknown keys are refused with a list of those that there are. OPTION_VALUE may leave values pushed. */
void script_read_options(lua_State *L, int index, const struct option *options, size_t count);
#define SCRIPT_READ_OPTIONS(L, INDEX, OPTIONS)                                                                         \
	script_read_options((L), (INDEX), (OPTIONS), sizeof(OPTIONS) / sizeof((OPTIONS)[0]))

/* record.c: fields and methods are known, so that one that is misspelt is an error and not nil */

#define SCRIPT_METHODS_KEY "methods" /* of a metatable */
/*
 * For the metatable below it, takes the table of methods on top of the stack: reading anything else of the object raises.
 * The name is in front of errors.
 */
void script_set_methods(lua_State *L, const char *name);

struct script_record {
	const char *type;		       /* the metatable's name, "provium.result" */
	const char *name;		       /* in front of errors, "result" */
	const struct script_function *methods; /* or NULL */
	lua_CFunction to_string;	       /* or NULL */
	const char *const *optional;	       /* fields that may be nil, or NULL; the last is NULL */
};
/* Makes the metatable. The methods are named `name`:method in errors. */
void script_register_record(lua_State *L, const struct script_record *record);
/* The table on top of the stack is one from here on: its fields are those that it has now. */
void script_set_record(lua_State *L, const struct script_record *record);
extern const struct script_record script_record_counters, script_record_dropped, script_record_path,
	script_record_status, script_record_entry, script_record_member;

/* members.c: what a lab holds, as further methods of labs */
extern const struct script_function script_lab_members[];
/* Pushes an array of strings, sorted. Reorders the array. */
void script_push_names(lua_State *L, const char **names, size_t count);

/* needs.c: what a file says that it needs, and words of the original of this tool */
extern const struct script_function script_lab_functions[], script_lab_absent[], script_vm_absent[];
int script_lab_claim(lua_State *L);
int script_lab_barrier(lua_State *L);
int script_lab_depends_on_file(lua_State *L);

/* rules.c: what a script says about traffic, as further methods of bridges */
extern const struct script_function script_bridge_rules[];
/* counters.c: counters(), path(), as further functions for rules.c's table */
int script_bridge_counters(lua_State *L);
int script_bridge_path(lua_State *L);
int script_lab_path(lua_State *L);
/* routing.c: uplink, routes, publications, likewise */
int script_bridge_enable_uplink(lua_State *L);
int script_bridge_disable_uplink(lua_State *L);
int script_bridge_has_uplink(lua_State *L);
int script_bridge_allow_host(lua_State *L);
int script_bridge_route(lua_State *L);
int script_bridge_unroute(lua_State *L);
int script_bridge_routes(lua_State *L);
int script_bridge_publish(lua_State *L);
/* The bridge of argument 1; raises if it is closed. */
struct bridge *script_open_bridge(lua_State *L);

/*
 * places.c: what a script or a configuration names on this machine. A relative path begins at the folder of the file that
 * names it, so that it means the same wherever the command is started; `folder` is "" or ends with a slash. Each pushes what it
 * returns. What cannot be is refused, in words that begin with the key.
 */

/* Of the script that calls. */
const char *script_push_folder(lua_State *L);
const char *script_push_path(lua_State *L, const char *folder, const char *path);
/* The absolute path of what is there. */
const char *script_push_place(lua_State *L, const char *key, const char *folder, const char *path);
const char *script_push_place_folder(lua_State *L, const char *key, const char *folder, const char *path);
/* See `root` of struct node_config. NODE_ROOT_OWN stays that. */
const char *script_push_root(lua_State *L, const char *folder, const char *text);
/* See `binds` of struct node_config. What is pushed keeps the array and its strings alive. */
struct node_bind *script_push_binds(lua_State *L, int index, const char *folder, size_t *count);

#define SCRIPT_MAX_PIDS (1U << 22) /* PID_MAX_LIMIT of the kernel */

/* vm.c */

void script_read_machine_options(lua_State *L, int index, struct machine_options *options, uint64_t *timeout_ns);
int script_vm_boot_all(lua_State *L, struct machine **machines, size_t count, uint64_t timeout_ns);

/* console.c */
int script_vm_console(lua_State *L);

/* snapshot.c */
int script_vm_snapshot(lua_State *L);
int script_vm_restore(lua_State *L);
int script_lab_snapshot(lua_State *L);
int script_lab_restore(lua_State *L);
void script_register_snapshot(lua_State *L);

/* nic.c */
void script_push_nic(lua_State *L, struct member *member);

/* request.c: what is to run, from the arguments 2 and 3 */

struct script_request {
	struct command command; /* lives as long as what is on the stack */
	uint64_t timeout_ns;	/* that of the test, unless has_timeout */
	bool has_timeout;
};
void script_read_request(lua_State *L, struct script_request *request);
/* As a person would type it. The caller's to free. */
char *script_command_text(const struct command *command);
/* The machine of argument 1, which must be booted; `what` as in "cannot run". */
struct machine *script_check_booted(lua_State *L, const char *what);

/* files.c: further methods of nodes */
extern const struct script_function script_vm_files[];

/* process.c */
int script_vm_run(lua_State *L);
int script_vm_run_async(lua_State *L);
int script_vm_main(lua_State *L);
/* Of a machine that has just booted: what its image is for. */
void script_start_main(lua_State *L, struct machine *machine);
void script_register_process(lua_State *L);
/* What processes have printed is read while the script waits for something else. context: the struct script. */
void script_collect_output(void *context);
/* Ends the processes that were started in a scope of this depth or deeper, the youngest first. */
void script_close_processes(struct script *script, unsigned int depth);

/* stream.c */
/* Pushes {file=, line=}: the innermost line of a test file, or else of what called. */
void script_push_site(lua_State *L);
int script_vm_tail_file(lua_State *L);

/* capture.c */
int script_bridge_capture(lua_State *L);
int script_bridge_wait_for(lua_State *L);
int script_nic_capture(lua_State *L);
int script_native_capture_site(lua_State *L); /* for native.c */
void script_register_capture(lua_State *L);
/* Closes the captures that were opened in a scope of this depth or deeper. */
void script_close_captures(struct script *script, unsigned int depth);

/* json.c */
#define SCRIPT_JSON_ARRAY "provium.json.array" /* the metatable of tables that are arrays, empty ones too */
int script_open_json(lua_State *L);
/* json_encode.c: adds the text of a value to the buffer; with -EINVAL it has no form in JSON. */
int script_json_encode(lua_State *L, int index, bool pretty, struct buffer *text, struct error *err);
/* json_decode.c: pushes the value, or with -EINVAL leaves on the stack what it will. */
int script_json_decode(lua_State *L, const char *text, size_t size, struct error *err);
/* Sends the value as an event: one line of compact JSON. Returns when it was taken, or -errno. */
int script_send_event(lua_State *L, int index, int events);

/* utf8.c */
int script_open_utf8(lua_State *L);

/* modules.c: the Lua files of lua/, for require() */
void script_register_modules(lua_State *L);

/* Pushes a module of lua/: the value of require(name). */
void script_require(lua_State *L, const char *name);

/* saved_rules.c: for native.c */
int script_native_rules(lua_State *L);
int script_native_set_rules(lua_State *L);
/* snapshot.c, for lua/lab_snapshot.lua: as vm:snapshot(), but what is at the path stays until it is put in place. */
int script_native_save(lua_State *L);
int script_native_put_in_place(lua_State *L);
int script_native_replace_file(lua_State *L);

/* found.c: files of Lua that were found by search, see util/trust.h; as the module provium.found, for lua/search.lua */
int script_open_found(lua_State *L);
/* As luaL_loadfilex() does it, of a file that was read. */
int script_load(lua_State *L, const struct buffer *text, const char *path, const char *mode);

/* native.c: what the Lua side needs and scripts do not: see lua/framework.lua */
int script_open_native(lua_State *L);

#endif
