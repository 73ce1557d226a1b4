// SPDX-License-Identifier: GPL-2.0-only
/* `provium repl`: a lab to type at. The conversation is lua/repl.lua, line editing is libedit's. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>
#include <lauxlib.h>

#include "cli/cli.h"
#include "lab/registry.h"
#include "script/script.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/terminal.h"

static volatile sig_atomic_t terminated;
static char *typed_line;
static bool is_typed;

/* Ends the statement that runs, as Ctrl-C does, and then the conversation. */
static void on_terminate(int number)
{
	(void)number;
	terminated = 1;
	raise(SIGINT);
}

static void take_line(char *line)
{
	typed_line = line;
	is_typed = true;
	rl_callback_handler_remove();
}

/* Pushes a line, nil at the end of the input, false if Ctrl-C gave the line up. */
static int push_line(lua_State *L, const char *line, bool given_up)
{
	interrupt_forget();
	if (terminated)
		lua_pushnil(L);
	else if (given_up)
		lua_pushboolean(L, 0);
	else
		lua_pushstring(L, line); /* NULL: nil */
	return 1;
}

/* The terminal is read only when there is something, so that a signal never comes in the middle of libedit. */
static int edit_line(lua_State *L)
{
	struct pollfd terminal = { .fd = STDIN_FILENO, .events = POLLIN };

	is_typed = false;
	rl_callback_handler_install(luaL_checkstring(L, 1), take_line);
	while (!is_typed) {
		if (poll(&terminal, 1, -1) < 0) {
			if (errno == EINTR && !interrupt_by_signal())
				continue;
			rl_callback_handler_remove();
			putchar('\n');
			return push_line(L, NULL, true);
		}
		rl_callback_read_char();
	}
	if (typed_line && *typed_line)
		add_history(typed_line);
	push_line(L, typed_line, false);
	free(typed_line);
	return 1;
}

/* Not a terminal: no prompt, no echo. */
static int read_line(lua_State *L)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length = getline(&line, &room, stdin);

	if (length > 0 && line[length - 1] == '\n')
		line[length - 1] = '\0';
	push_line(L, length < 0 ? NULL : line, false);
	free(line);
	return 1;
}

static int talk(lua_State *L)
{
	bool terminal = isatty(STDIN_FILENO);

	if (terminal)
		printf("provium %s: `provium` is a lab; Ctrl-D ends it\n", PROVIUM_VERSION);
	lua_getglobal(L, "require");
	lua_pushstring(L, "provium.repl");
	if (lua_pcall(L, 1, 1, 0))
		return 1;
	lua_pushcfunction(L, terminal ? edit_line : read_line);
	return lua_pcall(L, 1, 0, 0);
}

int cli_repl(int argc, char **argv)
{
	static const struct argp argp = { NULL, NULL, NULL, "Type Lua at a lab. Expressions print their values." };
	struct script_options options = { .events = -1 };
	struct sigaction action = { .sa_handler = on_terminate };
	struct error err;
	lua_State *L;
	int status;

	cli_parse(&argp, argc, argv, 0, NULL);
	options.seed = cli_random_seed();
	registry_set_title("repl");
	L = script_open(&options, &err);
	if (!L)
		return cli_fail(&err);
	sigaction(SIGTERM, &action, NULL);
	status = talk(L);
	if (status)
		terminal_text(stderr, "provium: %s", lua_tostring(L, -1));
	script_close(L);
	return status ? EXIT_COULD_NOT_RUN : 0;
}
