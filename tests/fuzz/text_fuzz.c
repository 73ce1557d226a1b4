// SPDX-License-Identifier: GPL-2.0-only
/* Bytes from anywhere as text: what is UTF-8, what is made of the rest, and what of it a terminal gets. The first byte cuts. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "util/buffer.h"
#include "util/utf8.h"

#define KEEP "\n\t"

/* The code point at the beginning by another way than the program's: by its definition. *length: 0 if there is none. */
static uint32_t decode(const uint8_t *text, size_t size, size_t *length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code = text[0];

	*length = code < 0x80 ? 1 : code >> 5 == 6 ? 2 : code >> 4 == 14 ? 3 : code >> 3 == 30 ? 4 : 0;
	if (*length > size)
		*length = 0;
	if (*length < 2)
		return code;
	code &= 0x7FU >> *length;
	for (size_t i = 1; i < *length; i++) {
		if (text[i] >> 6 != 2) {
			*length = 0;
			return 0;
		}
		code = code << 6 | (text[i] & 0x3F);
	}
	if (code < least[*length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
		*length = 0;
	return code;
}

static size_t count_valid(const uint8_t *text, size_t size)
{
	size_t done = 0, length;

	while (done < size) {
		decode(text + done, size - done, &length);
		if (!length)
			break;
		done += length;
	}
	return done;
}

static void repair(const uint8_t *text, size_t size, size_t valid)
{
	struct buffer once = { 0 }, twice = { 0 };

	utf8_repair(&once, (const char *)text, size);
	require(count_valid((const uint8_t *)buffer_string(&once), once.size) == once.size);
	require(once.size >= valid && (!valid || memcmp(once.data, text, valid) == 0));
	require(valid < size || once.size == size);
	/* No byte of text is lost: what is ASCII is there again, in its order. */
	for (size_t i = 0, k = 0; i < size; i++) {
		if (text[i] >= 0x80)
			continue;
		while (k < once.size && once.data[k] != (char)text[i])
			k++;
		require(k++ < once.size);
	}
	utf8_repair(&twice, buffer_string(&once), once.size);
	require(twice.size == once.size && (!once.size || memcmp(twice.data, once.data, once.size) == 0));
	buffer_free(&once);
	buffer_free(&twice);
}

/* C0 and C1, DEL, separators of lines, and what turns the direction of a text round. */
static bool is_dangerous(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || (code >= 0x200E && code <= 0x200F) ||
	       (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

static void escape(const uint8_t *text, size_t size, const char *keep)
{
	struct buffer shown = { 0 }, again = { 0 };
	size_t length;

	utf8_escape(&shown, (const char *)text, size, keep);
	for (size_t i = 0; i < shown.size; i += length) {
		uint32_t code = decode((const uint8_t *)shown.data + i, shown.size - i, &length);

		require(length);
		require(!is_dangerous(code) || (code && code < 0x80 && strchr(keep, (int)code)));
	}
	utf8_escape(&again, buffer_string(&shown), shown.size, keep);
	require(again.size == shown.size && (!shown.size || memcmp(again.data, shown.data, shown.size) == 0));
	buffer_free(&shown);
	buffer_free(&again);
}

static void cut(const uint8_t *text, size_t size, size_t valid, size_t most)
{
	size_t end = utf8_cut((const char *)text, size, most);

	require(end <= size && end <= most);
	require(size > most || end == size);
	require(size <= most || end + 4 > most);
	if (valid == size)
		require(count_valid(text, end) == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t most = size ? *data++ : 0, valid;

	size -= size != 0;
	valid = count_valid(data, size);
	require(utf8_valid((const char *)data, size) == valid);
	repair(data, size, valid);
	escape(data, size, "");
	escape(data, size, KEEP);
	cut(data, size, valid, most);
	return 0;
}
