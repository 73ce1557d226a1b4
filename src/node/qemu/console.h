/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest prints on its serial console, and QEMU on its stderr. A thread reads both all the time, for a guest whose
 * console is not read stands still; only the last of each is kept.
 */
#ifndef PROVIUM_NODE_QEMU_CONSOLE_H
#define PROVIUM_NODE_QEMU_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

struct console;
struct error;

#define CONSOLE_LIMIT (256U << 10)

/* Takes over the descriptors. Goes on after both have ended, until console_close(). */
int console_open(struct console **console, int console_fd, int stderr_fd, struct error *err);
void console_close(struct console *console); /* NULL is fine */

/* Another QEMU for the same guest: what was read stays. */
int console_replace(struct console *console, int console_fd, int stderr_fd, struct error *err);

/* The last of what the guest printed, as a string that lives until the next call. */
const char *console_text(struct console *console);
/* How much it had printed in all when console_text() was called last. */
uint64_t console_printed(const struct console *console);
/* Types. A guest that reads none of it makes this last until the deadline. */
int console_write(struct console *console, const void *data, size_t size, uint64_t deadline_ns, struct error *err);
/* Some last lines of it, without control characters, for an error's text. */
void console_last_lines(struct console *console, char *text, size_t size);
/* What QEMU itself said. Waits for its end, but not long. */
void console_complaint(struct console *console, char *text, size_t size);

/* Whether the text has been printed. */
bool console_has(struct console *console, const char *text);

#endif
