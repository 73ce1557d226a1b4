// SPDX-License-Identifier: GPL-2.0-only
#include "util/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

void buffer_add(struct buffer *buffer, const void *bytes, size_t count)
{
	size_t need = buffer->size + count + 1;

	if (need > buffer->room) {
		buffer->room = need < 2 * buffer->room ? 2 * buffer->room : need;
		buffer->data = memory_resize(buffer->data, buffer->room);
	}
	if (count)
		memcpy(buffer->data + buffer->size, bytes, count);
	buffer->size += count;
	buffer->data[buffer->size] = '\0';
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
	char *text = NULL;
	int length = vasprintf(&text, format, args);

	if (length < 0)
		memory_exhausted();
	buffer_add(buffer, text, (size_t)length);
	free(text);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buffer_vprintf(buffer, format, args);
	va_end(args);
}

void buffer_keep_end(struct buffer *buffer, size_t count)
{
	const char *end, *from;

	if (buffer->size <= count)
		return;
	end = buffer->data + buffer->size;
	from = end - count;
	if (from[-1] != '\n') {
		const char *line = memchr(from, '\n', count);

		if (line && line + 1 < end)
			from = line + 1;
	}
	buffer->size = (size_t)(end - from);
	memmove(buffer->data, from, buffer->size + 1);
}

void buffer_cut(struct buffer *buffer, size_t size)
{
	buffer->size = size;
	if (buffer->data)
		buffer->data[size] = '\0';
}

const char *buffer_string(const struct buffer *buffer)
{
	return buffer->data ? buffer->data : "";
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}
