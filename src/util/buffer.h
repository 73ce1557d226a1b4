/* SPDX-License-Identifier: GPL-2.0-only */
/* A growing run of bytes. Always followed by a NUL that size does not count, so data reads as a string. */
#ifndef PROVIUM_UTIL_BUFFER_H
#define PROVIUM_UTIL_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
	char *data; /* NULL as long as nothing was added */
	size_t size;
	size_t room;
};

/* Both abort the process when memory runs out: there is nothing useful left to do then. */
void buffer_add(struct buffer *buffer, const void *bytes, size_t count);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format, ...);

__attribute__((format(printf, 2, 0))) void buffer_vprintf(struct buffer *buffer, const char *format, va_list args);

/* Forgets all but the last lines that fit into count bytes together, or the end of a longer last line. */
void buffer_keep_end(struct buffer *buffer, size_t count);

/* Forgets all but the first so many bytes, which are there. */
void buffer_cut(struct buffer *buffer, size_t size);

/* The bytes as a string, "" if there are none. */
const char *buffer_string(const struct buffer *buffer);

/* Frees the bytes; the buffer is empty and can be used again. Safe twice. */
void buffer_free(struct buffer *buffer);

#endif
