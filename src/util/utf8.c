// SPDX-License-Identifier: GPL-2.0-only
#include "util/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/buffer.h"

#define REPLACEMENT "\xEF\xBF\xBD"

struct lead {
	unsigned char first, last; /* lead bytes of this kind */
	unsigned char length;
	unsigned char low, high; /* what the second byte may be; the others are 80 to BF */
};

/* Table 3-7 of the Unicode Standard. */
static const struct lead leads[] = {
	{ 0x00, 0x7F, 1, 0, 0 },       { 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xE0, 0xE0, 3, 0xA0, 0xBF },
	{ 0xE1, 0xEC, 3, 0x80, 0xBF }, { 0xED, 0xED, 3, 0x80, 0x9F }, { 0xEE, 0xEF, 3, 0x80, 0xBF },
	{ 0xF0, 0xF0, 4, 0x90, 0xBF }, { 0xF1, 0xF3, 4, 0x80, 0xBF }, { 0xF4, 0xF4, 4, 0x80, 0x8F },
};

static const struct lead *find_lead(unsigned char byte)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* The size of the character at the beginning, or if *valid becomes false that of the maximal subpart of one. */
static size_t take_character(const char *text, size_t size, bool *valid)
{
	const unsigned char *bytes = (const unsigned char *)text;
	const struct lead *lead = find_lead(bytes[0]);
	size_t length = 1;

	while (lead && length < lead->length && length < size && bytes[length] >= (length == 1 ? lead->low : 0x80) &&
	       bytes[length] <= (length == 1 ? lead->high : 0xBF))
		length++;
	*valid = lead && length == lead->length;
	return length;
}

size_t utf8_valid(const char *text, size_t size)
{
	size_t done = 0;
	bool valid = true;

	while (done < size) {
		size_t length = take_character(text + done, size - done, &valid);

		if (!valid)
			break;
		done += length;
	}
	return done;
}

void utf8_repair(struct buffer *buffer, const char *text, size_t size)
{
	while (size) {
		size_t good = utf8_valid(text, size), bad;
		bool valid;

		buffer_add(buffer, text, good);
		text += good;
		size -= good;
		if (!size)
			return;
		bad = take_character(text, size, &valid);
		buffer_add(buffer, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		text += bad;
		size -= bad;
	}
}

static uint32_t code_point(const char *text, size_t length)
{
	static const unsigned char masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	uint32_t code = (unsigned char)text[0] & masks[length];

	for (size_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3F);
	return code;
}

/* C1, line and paragraph separators, and the characters with the property Bidi_Control. */
static bool acts_on_terminal(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x80, 0x9F },	    { 0x61C, 0x61C },	{ 0x200E, 0x200F },
		{ 0x2028, 0x2029 }, { 0x202A, 0x202E }, { 0x2066, 0x2069 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

void utf8_escape(struct buffer *buffer, const char *text, size_t size, const char *keep)
{
	while (size) {
		unsigned char byte = (unsigned char)text[0];
		bool valid;
		size_t length = take_character(text, size, &valid);

		if (!valid)
			length = 1;
		if (!valid || byte < ' ' || byte == 0x7F) {
			if (byte && strchr(keep, byte))
				buffer_add(buffer, text, 1);
			else
				buffer_printf(buffer, "\\x%02x", byte);
		} else if (acts_on_terminal(code_point(text, length))) {
			buffer_printf(buffer, "\\u%04x", code_point(text, length));
		} else {
			buffer_add(buffer, text, length);
		}
		text += length;
		size -= length;
	}
}

size_t utf8_cut(const char *text, size_t size, size_t most)
{
	size_t start = most;
	bool valid;

	if (size <= most)
		return size;
	/* Back to where a character begins; what is none is cut anywhere. */
	while (start > 0 && most - start < 3 && ((unsigned char)text[start] & 0xC0) == 0x80)
		start--;
	take_character(text + start, size - start, &valid);
	return valid ? start : most;
}
