// SPDX-License-Identifier: GPL-2.0-only
/* The blocks of a pcapng file, read as draft-ietf-opsawg-pcapng has them: lengths, padding, options, units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/pcapng.h"

#define SECTION	      0x0a0d0d0aU
#define INTERFACE     1U
#define ENHANCED      6U
#define OPT_COMMENT   1
#define IF_NAME	      2
#define IF_TSRESOL    9
#define EPB_FLAGS     2
#define SECTION_FIXED 16U
#define FRAME_FIXED   20U

static uint32_t u32(const char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint16_t u16(const char *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

struct block {
	const char *body, *end;
};

/* The only block of a buffer: its length stands at both ends, and is a multiple of four. */
static struct block only_block(const struct buffer *out, uint32_t type)
{
	assert_true(out->size >= 12 && out->size % 4 == 0);
	assert_int_equal(u32(out->data), type);
	assert_int_equal(u32(out->data + 4), out->size);
	assert_int_equal(u32(out->data + out->size - 4), out->size);
	return (struct block){ out->data + 8, out->data + out->size - 4 };
}

/* The value of an option, of which there must be exactly one; *size gets its size. The last must be the end of options. */
static const char *option(const char *at, const char *end, uint16_t wanted, uint16_t *size)
{
	const char *found = NULL;

	while (u16(at)) {
		uint16_t length = u16(at + 2);

		if (u16(at) == wanted) {
			assert_null(found);
			found = at + 4;
			*size = length;
		}
		at += 4 + (length + 3) / 4 * 4;
		assert_true(at + 4 <= end);
	}
	assert_int_equal(u16(at + 2), 0);
	assert_ptr_equal(at + 4, end);
	if (!found)
		fail_msg("there is no option %u", wanted);
	return found;
}

static void assert_text(struct block block, size_t fixed, uint16_t code, const char *text)
{
	uint16_t size;
	const char *value = option(block.body + fixed, block.end, code, &size);

	assert_int_equal(size, strlen(text));
	assert_memory_equal(value, text, size);
}

static void test_a_section(void **state)
{
	static const char *const comments[] = { "", "a", "ab", "abc", "abcd", "ä→b" };

	(void)state;
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		struct buffer out = { 0 };
		struct block block;

		pcapng_add_section(&out, comments[i]);
		block = only_block(&out, SECTION);
		assert_int_equal(u32(block.body), 0x1a2b3c4d);
		assert_int_equal(u16(block.body + 4), 1);
		assert_int_equal(u16(block.body + 6), 0);
		assert_text(block, SECTION_FIXED, OPT_COMMENT, comments[i]);
		buffer_free(&out);
	}
}

/* An option has a 16-bit size: the path of a script, or the name of a chunk, may be longer. */
static void test_a_comment_that_is_too_long(void **state)
{
	static char comment[70000];
	struct buffer out = { 0 };
	uint16_t size;
	struct block block;

	(void)state;
	memset(comment, 'x', sizeof(comment) - 1);
	pcapng_add_section(&out, comment);
	block = only_block(&out, SECTION);
	assert_memory_equal(option(block.body + SECTION_FIXED, block.end, OPT_COMMENT, &size), "xxxx", 4);
	assert_int_equal(size, UINT16_MAX);
	buffer_free(&out);
}

/* Without a resolution, readers take the times for microseconds. */
static void test_an_interface(void **state)
{
	struct buffer out = { 0 };
	struct block block;
	uint16_t size;

	(void)state;
	pcapng_add_interface(&out, "a@lan", 96);
	block = only_block(&out, INTERFACE);
	assert_int_equal(u16(block.body), 1); /* LINKTYPE_ETHERNET */
	assert_int_equal(u32(block.body + 4), 96);
	assert_text(block, 8, IF_NAME, "a@lan");
	assert_int_equal(*option(block.body + 8, block.end, IF_TSRESOL, &size), 9);
	assert_int_equal(size, 1);
	buffer_free(&out);
}

static void test_a_frame(void **state)
{
	static const uint8_t bytes[61] = { 1, 2, 3, [60] = 61 };
	struct ring_event event = { .event = { .length = 1000, .captured = sizeof(bytes) },
				    .bytes = bytes,
				    .size = sizeof(bytes) };
	struct pcapng_frame frame = { .event = &event,
				      .time_ns = 0x123456789abcdef0,
				      .snaplen = 262144,
				      .interface = 7,
				      .direction = PCAPNG_OUTBOUND,
				      .comment = "a→b dropped: loss" };
	struct buffer out = { 0 };
	struct block block;
	uint16_t size;

	(void)state;
	pcapng_add_frame(&out, &frame);
	block = only_block(&out, ENHANCED);
	assert_int_equal(u32(block.body), 7);
	assert_int_equal(u32(block.body + 4), 0x12345678);
	assert_int_equal(u32(block.body + 8), 0x9abcdef0);
	assert_int_equal(u32(block.body + 12), sizeof(bytes));
	assert_int_equal(u32(block.body + 16), 1000);
	assert_memory_equal(block.body + FRAME_FIXED, bytes, sizeof(bytes));
	assert_text(block, FRAME_FIXED + 64, OPT_COMMENT, "a→b dropped: loss");
	assert_int_equal(u32(option(block.body + FRAME_FIXED + 64, block.end, EPB_FLAGS, &size)), 2);
	assert_int_equal(size, 4);
	buffer_free(&out);
}

static void test_a_frame_that_is_cut(void **state)
{
	static const uint8_t bytes[64] = { 1, 2, 3, 4, 5 };
	struct ring_event event = { .event = { .length = 64, .captured = 64 }, .bytes = bytes, .size = 64 };
	struct pcapng_frame frame = { .event = &event, .snaplen = 5, .direction = PCAPNG_INBOUND };
	struct buffer out = { 0 };
	struct block block;
	uint16_t size;

	(void)state;
	pcapng_add_frame(&out, &frame);
	block = only_block(&out, ENHANCED);
	assert_int_equal(u32(block.body + 12), 5);
	assert_int_equal(u32(block.body + 16), 64);
	assert_memory_equal(block.body + FRAME_FIXED, "\1\2\3\4\5\0\0\0", 8);
	assert_int_equal(u32(option(block.body + FRAME_FIXED + 8, block.end, EPB_FLAGS, &size)), 1);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_section),	    cmocka_unit_test(test_a_comment_that_is_too_long),
		cmocka_unit_test(test_an_interface),	    cmocka_unit_test(test_a_frame),
		cmocka_unit_test(test_a_frame_that_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
