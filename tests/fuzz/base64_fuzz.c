// SPDX-License-Identifier: GPL-2.0-only
/* Base64: there and back, as bytes that are encoded and as a text that is decoded. */
#include <string.h>

#include "fuzz.h"
#include "node/qemu/base64.h"

static void encode(const uint8_t *data, size_t size)
{
	struct buffer text = { 0 }, back = { 0 };

	base64_encode(&text, data, size);
	require(text.size == (size + 2) / 3 * 4);
	require(strspn(buffer_string(&text), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
		text.size);
	require(base64_decode(&back, buffer_string(&text), text.size));
	require(back.size == size && (!size || memcmp(back.data, data, size) == 0));
	buffer_free(&text);
	buffer_free(&back);
}

/* What is decoded is what an encoder makes of some bytes, and there is no other text for them. */
static void decode(const uint8_t *data, size_t size)
{
	struct buffer bytes = { 0 }, back = { 0 };

	buffer_add(&bytes, "before", 6);
	if (base64_decode(&bytes, (const char *)data, size)) {
		require(bytes.size - 6 <= size / 4 * 3);
		base64_encode(&back, bytes.data + 6, bytes.size - 6);
		require(back.size == size && (!size || memcmp(back.data, data, size) == 0));
	} else {
		require(bytes.size == 6);
	}
	require(memcmp(bytes.data, "before", 6) == 0 && bytes.data[bytes.size] == '\0');
	buffer_free(&bytes);
	buffer_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	encode(data, size);
	decode(data, size);
	return 0;
}
