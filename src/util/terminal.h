/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a person reads at a terminal. Names, paths and texts in it come from elsewhere (scripts, guests, the names of files and
 * devices), and are shown as utf8_escape() has them.
 */
#ifndef PROVIUM_UTIL_TERMINAL_H
#define PROVIUM_UTIL_TERMINAL_H

#include <stdio.h>

/* One line, whatever is in it; its end is added. */
__attribute__((format(printf, 2, 3))) void terminal_line(FILE *file, const char *format, ...);

/* The same of several lines, for errors that quote what was printed: those behind the first are set in, so that none is taken for another. */
__attribute__((format(printf, 2, 3))) void terminal_text(FILE *file, const char *format, ...);

#endif
