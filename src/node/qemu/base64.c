// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/base64.h"

#include <stdint.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buffer *text, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t group = (uint32_t)from[i] << 16;
		char four[4];

		if (left > 1)
			group |= (uint32_t)from[i + 1] << 8;
		if (left > 2)
			group |= from[i + 2];
		four[0] = letters[group >> 18];
		four[1] = letters[group >> 12 & 63];
		four[2] = left > 1 ? letters[group >> 6 & 63] : '=';
		four[3] = left > 2 ? letters[group & 63] : '=';
		buffer_add(text, four, sizeof(four));
	}
}

static int value_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

static size_t padding(const char *text, size_t size)
{
	if (size < 4 || text[size - 1] != '=')
		return 0;
	return text[size - 2] == '=' ? 2 : 1;
}

bool base64_decode(struct buffer *bytes, const char *text, size_t size)
{
	size_t pad = padding(text, size), before = bytes->size;

	if (size % 4)
		return false;
	for (size_t i = 0; i < size; i += 4) {
		size_t missing = i + 4 == size ? pad : 0;
		uint32_t group = 0;
		uint8_t three[3];

		for (size_t k = 0; k < 4; k++) {
			int value = k < 4 - missing ? value_of(text[i + k]) : 0;

			if (value < 0) {
				buffer_cut(bytes, before);
				return false;
			}
			group = group << 6 | (uint32_t)value;
		}
		/* Bits of no byte: an encoder leaves them 0. */
		if (group & ((1U << 8 * missing) - 1)) {
			buffer_cut(bytes, before);
			return false;
		}
		three[0] = (uint8_t)(group >> 16);
		three[1] = (uint8_t)(group >> 8);
		three[2] = (uint8_t)group;
		buffer_add(bytes, three, 3 - missing);
	}
	return true;
}
