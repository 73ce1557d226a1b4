// SPDX-License-Identifier: GPL-2.0-only
#include "util/terminal.h"

#include <stdarg.h>
#include <string.h>

#include "util/buffer.h"
#include "util/utf8.h"

#define INDENT "    " /* of lines behind the first */

static void print_line(FILE *file, const char *line, size_t size, const char *keep)
{
	struct buffer shown = { 0 };

	utf8_escape(&shown, line, size, keep);
	fprintf(file, "%s\n", buffer_string(&shown));
	buffer_free(&shown);
}

void terminal_line(FILE *file, const char *format, ...)
{
	struct buffer text = { 0 };
	va_list args;

	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	print_line(file, buffer_string(&text), text.size, "");
	buffer_free(&text);
}

void terminal_text(FILE *file, const char *format, ...)
{
	struct buffer text = { 0 };
	char *next, *line;
	va_list args;

	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	next = text.data;
	while ((line = strsep(&next, "\n"))) {
		/* The end of the last line begins no other. */
		if (line != text.data && !next && !*line)
			break;
		fputs(line == text.data ? "" : INDENT, file);
		print_line(file, line, strlen(line), "\t");
	}
	buffer_free(&text);
}
