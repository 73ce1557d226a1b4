/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzzers of a guest's channels share. */
#ifndef PROVIUM_TESTS_FUZZ_GUEST_H
#define PROVIUM_TESTS_FUZZ_GUEST_H

#include <fcntl.h>

#include "fuzz.h"
#include "node/qemu/console.h"
#include "util/error.h"

/* One for all inputs. */
static inline struct console *silent_console(void)
{
	static struct console *console;
	struct error ignored;

	if (!console)
		require(console_open(&console, open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY), &ignored) ==
			0);
	return console;
}

#endif
