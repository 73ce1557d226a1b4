// SPDX-License-Identifier: GPL-2.0-only
#include "util/buffer.h"

#include <stdarg.h>
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

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		memory_exhausted();
	buffer_add(buffer, text, (size_t)length);
	free(text);
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
