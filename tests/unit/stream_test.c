// SPDX-License-Identifier: GPL-2.0-only
/* From frames to bytes: the spool, VLAN tags put back, pcap and pcapng to the byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "capture/capture.h"
#include "capture/frame.h"
#include "capture/names.h"
#include "capture/pcap.h"
#include "capture/pcapng.h"
#include "capture/spool.h"
#include "util/error.h"

static struct ring_event event_of(const void *bytes, size_t size)
{
	return (struct ring_event){
		.event = { .length = (uint32_t)size, .captured = (uint32_t)size },
		.bytes = bytes,
		.size = size,
	};
}

/* Bytes that tell where they belong. */
static void fill(char *bytes, size_t size, uint64_t place)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)((place + i) * 2654435761U >> 13);
}

static void assert_reads(const struct spool *spool, uint64_t place, size_t size)
{
	char *got = malloc(size), *wanted = malloc(size);
	struct error err;

	for (size_t done = 0; done < size;) {
		long count = spool_read(spool, place + done, got + done, size - done, &err);

		assert_true(count > 0);
		done += (size_t)count;
	}
	fill(wanted, size, place);
	assert_memory_equal(got, wanted, size);
	free(got);
	free(wanted);
}

static void add(struct spool *spool, size_t size)
{
	char *bytes = malloc(size);

	fill(bytes, size, spool_end(spool));
	buffer_add(&spool->fresh, bytes, size);
	free(bytes);
}

static void test_spool_in_memory(void **state)
{
	struct spool spool;
	struct error err;
	char byte;

	(void)state;
	spool_open(&spool, 1 << 20);
	assert_int_equal(spool_read(&spool, 0, &byte, 1, &err), 0);
	add(&spool, 1000);
	assert_int_equal(spool_settle(&spool, &err), 0);
	assert_int_equal(spool.file, -1);
	assert_reads(&spool, 0, 1000);
	assert_reads(&spool, 990, 10);
	assert_int_equal(spool_read(&spool, 1000, &byte, 1, &err), 0);
	spool_close(&spool);
	spool_close(&spool);
}

static void test_spool_in_a_file(void **state)
{
	size_t large = SPOOL_MEMORY + 12345;
	struct spool spool;
	struct error err;
	char path[64], target[4096];
	ssize_t length;

	(void)state;
	spool_open(&spool, 1 << 30);
	for (int i = 0; i < 5; i++) {
		add(&spool, large);
		assert_int_equal(spool_settle(&spool, &err), 0);
		add(&spool, 77);
		assert_int_equal(spool_settle(&spool, &err), 0);
	}
	assert_true(spool.file >= 0);
	assert_true(spool.fresh.size <= SPOOL_BATCH);
	assert_int_equal(spool.first.size, large);
	assert_reads(&spool, 0, 5 * (large + 77));
	assert_reads(&spool, large - 3, 100);
	/* It has no name. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", spool.file);
	length = readlink(path, target, sizeof(target) - 1);
	assert_true(length > 0);
	target[length] = '\0';
	assert_non_null(strstr(target, "(deleted)"));
	spool_close(&spool);
}

static void test_spool_forgets(void **state)
{
	size_t large = SPOOL_MEMORY + 1;
	struct spool spool;
	struct error err;
	char byte;

	(void)state;
	spool_open(&spool, 2 * large);
	for (int i = 0; i < 20; i++) {
		uint64_t end = spool_end(&spool);

		add(&spool, large);
		assert_int_equal(spool_settle(&spool, &err), 0);
		assert_reads(&spool, end, large);
		assert_reads(&spool, end, large);
		spool_forget(&spool, spool_end(&spool) - 1);
		assert_int_equal(spool_read(&spool, spool_end(&spool) - 1, &byte, 1, &err), 1);
		spool_forget(&spool, spool_end(&spool));
		assert_int_equal(spool.file, -1);
	}
	spool_close(&spool);
}

/* Only what nobody has read counts, and takes room, also where the reader never comes to the end. */
static void test_spool_counts_what_is_unread(void **state)
{
	size_t piece = SPOOL_BATCH + 7;
	struct spool spool;
	struct error err;
	struct stat status;

	(void)state;
	spool_open(&spool, SPOOL_MEMORY + 4 * piece);
	add(&spool, SPOOL_MEMORY + 1);
	assert_int_equal(spool_settle(&spool, &err), 0);
	for (int i = 0; i < 50; i++) {
		add(&spool, piece);
		assert_int_equal(spool_settle(&spool, &err), 0);
		spool_forget(&spool, spool_end(&spool) - 2 * piece);
		assert_reads(&spool, spool_end(&spool) - 2 * piece, 2 * piece);
	}
	assert_int_equal(spool.first.size, 0);
	assert_int_equal(fstat(spool.file, &status), 0);
	assert_in_range((uint64_t)status.st_blocks * 512, piece, 4 * piece);
	for (int i = 0; i < 2; i++) {
		add(&spool, SPOOL_MEMORY / 2);
		assert_int_equal(spool_settle(&spool, &err), 0);
	}
	add(&spool, 3 * piece);
	assert_int_equal(spool_settle(&spool, &err), -EFBIG);
	spool_close(&spool);
}

/* Without a copy, unless a part of it is in a file. */
static void test_spool_is_taken(void **state)
{
	struct buffer bytes = { 0 };
	struct spool spool;
	struct error err;

	(void)state;
	spool_open(&spool, 1 << 30);
	assert_true(spool_take(&spool, &bytes));
	assert_int_equal(bytes.size, 0);
	add(&spool, 1000);
	assert_true(spool_take(&spool, &bytes));
	assert_int_equal(bytes.size, 1000);
	assert_int_equal(spool_end(&spool), 1000);
	add(&spool, 50);
	assert_reads(&spool, 1000, 50);
	assert_true(spool_take(&spool, &bytes));
	assert_int_equal(bytes.size, 50);
	add(&spool, SPOOL_MEMORY + 1);
	assert_int_equal(spool_settle(&spool, &err), 0);
	assert_false(spool_take(&spool, &bytes));
	assert_reads(&spool, 1050, SPOOL_MEMORY + 1);
	buffer_free(&bytes);
	spool_close(&spool);
}

static void test_spool_has_a_limit(void **state)
{
	struct spool spool;
	struct error err;

	(void)state;
	spool_open(&spool, 1000);
	add(&spool, 1000);
	assert_int_equal(spool_settle(&spool, &err), 0);
	add(&spool, 1);
	assert_int_equal(spool_settle(&spool, &err), -EFBIG);
	assert_non_null(strstr(err.text, "limit"));
	assert_reads(&spool, 0, 1000);
	spool_close(&spool);
}

static void test_spool_without_a_folder(void **state)
{
	struct spool spool;
	struct error err;

	(void)state;
	setenv("TMPDIR", "/nowhere", 1);
	spool_open(&spool, 1 << 30);
	add(&spool, SPOOL_MEMORY + 1);
	assert_int_equal(spool_settle(&spool, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere"));
	assert_reads(&spool, 0, SPOOL_MEMORY + 1);
	spool_close(&spool);
	unsetenv("TMPDIR");
}

/* The frame with that much of it, from up to two pieces. */
static void assert_frame(const char *bytes, size_t split, bool tagged, uint32_t snaplen, const void *wanted,
			 size_t size)
{
	struct ring_event event = event_of(bytes, strlen(bytes));
	struct buffer out = { 0 };
	uint32_t captured;

	event.event.tagged = tagged;
	event.event.vlan_proto = htons(0x8100);
	event.event.vlan_tci = 0x6123;
	event.tail = event.bytes + split;
	event.tail_size = event.size - split;
	event.size = split;
	captured = frame_captured(&event, snaplen);
	assert_int_equal(captured, size);
	frame_add(&out, &event, captured);
	assert_int_equal(out.size, size);
	if (size)
		assert_memory_equal(out.data, wanted, size);
	assert_int_equal(frame_length(&event), strlen(bytes) + (tagged ? 4 : 0));
	buffer_free(&out);
}

static void test_tags_are_put_back(void **state)
{
	static const char whole[] = "dddddDsssssS\x81\x00\x61\x23TTpay";

	(void)state;
	for (size_t split = 0; split <= 17; split++) {
		assert_frame("dddddDsssssSTTpay", split, false, 100, "dddddDsssssSTTpay", 17);
		assert_frame("dddddDsssssSTTpay", split, false, 13, "dddddDsssssST", 13);
		for (uint32_t snaplen = 0; snaplen <= 22; snaplen++)
			assert_frame("dddddDsssssSTTpay", split, true, snaplen, whole, snaplen < 21 ? snaplen : 21);
	}
	/* Cut before the place of the tag by the kernel: a tag behind less than that would be a lie. */
	assert_frame("dddddDss", 8, true, 100, "dddddDss", 8);
	assert_frame("dddddDsssssS", 12, true, 100, whole, 16);
}

static void test_pcap(void **state)
{
	static const uint8_t header[24] = {
		0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
	};
	static const uint8_t frame[] = { 3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 'a', 'b' };
	struct ring_event event = event_of("ab", 2);
	struct buffer out = { 0 };

	(void)state;
	pcap_add_header(&out, 262144);
	assert_int_equal(out.size, sizeof(header));
	assert_memory_equal(out.data, header, sizeof(header));
	buffer_free(&out);
	event.event.length = 9;
	pcap_add_frame(&out, &event, 3000000005, 100);
	assert_int_equal(out.size, sizeof(frame));
	assert_memory_equal(out.data, frame, sizeof(frame));
	buffer_free(&out);
}

static void test_pcapng_section_and_interface(void **state)
{
	static const char program[] = "provium " PROVIUM_VERSION;
	struct buffer out = { 0 };
	uint32_t words[7];
	size_t section;

	(void)state;
	pcapng_add_section(&out, "xyz");
	section = out.size;
	memcpy(words, out.data, sizeof(words));
	assert_int_equal(words[0], 0x0a0d0d0a);
	assert_int_equal(words[1], section);
	assert_int_equal(words[2], 0x1a2b3c4d);
	assert_int_equal(words[3], 1);
	assert_int_equal(words[4], 0xffffffff);
	assert_int_equal(words[6], 1 | 3 << 16);
	assert_memory_equal(out.data + 28, "xyz\0", 4);
	assert_memory_equal(out.data + 36, program, strlen(program));
	assert_int_equal(section % 4, 0);
	assert_memory_equal(out.data + section - 4, &words[1], 4);

	pcapng_add_interface(&out, "a@lan", 1500);
	static const uint8_t interface[] = {
		1,   0,	  0,   0, 44, 0, 0, 0, 1, 0, 0, 0, 0xdc, 5, 0, 0, 2, 0, 5,  0, 'a', '@',
		'l', 'a', 'n', 0, 0,  0, 9, 0, 1, 0, 9, 0, 0,	 0, 0, 0, 0, 0, 44, 0, 0,   0,
	};
	assert_int_equal(out.size - section, sizeof(interface));
	assert_memory_equal(out.data + section, interface, sizeof(interface));
	buffer_free(&out);
}

static void test_pcapng_frame(void **state)
{
	static const uint8_t wanted[] = {
		6,   0,	  0,   0, 56, 0, 0, 0, 7,   0,	 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9,  0, 0, 0,
		'a', 'b', 'c', 0, 1,  0, 2, 0, 'o', 'k', 0, 0, 2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0,
	};
	struct ring_event event = event_of("abc", 3);
	struct pcapng_frame frame = {
		.event = &event,
		.time_ns = (1ULL << 32) + 2,
		.snaplen = 100,
		.interface = 7,
		.direction = PCAPNG_OUTBOUND,
		.comment = "ok",
	};
	struct buffer out = { 0 };

	(void)state;
	event.event.length = 9;
	pcapng_add_frame(&out, &frame);
	assert_int_equal(out.size, sizeof(wanted));
	assert_memory_equal(out.data, wanted, sizeof(wanted));
	frame.comment = NULL;
	buffer_free(&out);
	pcapng_add_frame(&out, &frame);
	assert_int_equal(out.size, sizeof(wanted) - 8);
	buffer_free(&out);
}

static void test_names(void **state)
{
	uint16_t ethertype;
	uint8_t protocol;

	(void)state;
	assert_true(names_protocol("tcp", &protocol) && protocol == 6);
	assert_true(names_protocol("ICMP6", &protocol) && protocol == 58);
	assert_true(names_protocol("255", &protocol) && protocol == 255);
	assert_false(names_protocol("0", &protocol) || names_protocol("256", &protocol) ||
		     names_protocol("tc", &protocol));
	assert_false(names_protocol("", &protocol) || names_protocol("-1", &protocol) ||
		     names_protocol("6x", &protocol));
	assert_true(names_ethertype("arp", &ethertype) && ethertype == 0x806);
	assert_true(names_ethertype("0x86dd", &ethertype) && ethertype == 0x86dd);
	assert_false(names_ethertype("65536", &ethertype) || names_ethertype("99999999999999999999", &ethertype));
}

#define SENT	(1U << WIRE_EVENT_SENT)
#define BOUND	(1U << WIRE_EVENT_BOUND)
#define OUTCOME (1U << WIRE_EVENT_OUTCOME)
#define GOOD	(1U << WIRE_DELIVERED)
#define BAD	(0xfeU)

struct choice {
	enum capture_format format;
	uint16_t nic, from, to;
	enum capture_verdicts verdicts;
	/* what comes of it */
	uint8_t kinds;
	uint16_t new_nic, new_from, new_verdicts; /* 0 verdicts: do not matter */
};

static void test_choice_of_events(void **state)
{
	static const struct choice choices[] = {
		{ CAPTURE_PCAP, 0, 0, 0, CAPTURE_AS_USUAL, SENT, 0, 0, 0 },
		{ CAPTURE_PCAP, 0, 1, 0, CAPTURE_AS_USUAL, SENT, 0, 1, 0 },
		{ CAPTURE_PCAP, 0, 1, 2, CAPTURE_AS_USUAL, BOUND, 0, 1, GOOD | BAD },
		{ CAPTURE_PCAP, 0, 0, 0, CAPTURE_DROPPED, OUTCOME, 0, 0, BAD },
		{ CAPTURE_PCAPNG, 0, 0, 0, CAPTURE_AS_USUAL, OUTCOME, 0, 0, GOOD | BAD },
		{ CAPTURE_PCAPNG, 0, 0, 2, CAPTURE_AS_USUAL, OUTCOME, 0, 0, GOOD | BAD },
		{ CAPTURE_PCAPNG, 0, 0, 0, CAPTURE_DELIVERED, OUTCOME, 0, 0, GOOD },
		{ CAPTURE_PCAP, 3, 0, 0, CAPTURE_AS_USUAL, SENT | OUTCOME, 3, 0, GOOD },
		{ CAPTURE_PCAPNG, 3, 0, 0, CAPTURE_AS_USUAL, SENT | OUTCOME, 3, 0, GOOD },
		{ CAPTURE_PCAP, 3, 0, 0, CAPTURE_ALL, SENT | OUTCOME, 3, 0, GOOD | BAD },
		{ CAPTURE_PCAP, 3, 0, 0, CAPTURE_DROPPED, OUTCOME, 3, 0, BAD },
		/* What NIC 3 has got from anybody, what it has sent to 2, and what is neither. */
		{ CAPTURE_PCAP, 3, 0, 3, CAPTURE_AS_USUAL, OUTCOME, 3, 0, GOOD },
		{ CAPTURE_PCAP, 3, 0, 2, CAPTURE_AS_USUAL, BOUND, 0, 3, GOOD | BAD },
		{ CAPTURE_PCAP, 3, 3, 2, CAPTURE_AS_USUAL, BOUND, 0, 3, GOOD | BAD },
		{ CAPTURE_PCAP, 3, 1, 2, CAPTURE_AS_USUAL, 0, 0, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		const struct choice *choice = &choices[i];
		struct capture_options options = { .format = choice->format };

		options.wanted.from = choice->from;
		options.wanted.to = choice->to;
		capture_choose_events(&options, choice->nic, choice->verdicts);
		if (options.wanted.kinds != choice->kinds || options.wanted.nic != choice->new_nic ||
		    options.wanted.from != choice->new_from ||
		    (choice->new_verdicts && options.wanted.verdicts != choice->new_verdicts))
			fail_msg("choice %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool_in_memory),
		cmocka_unit_test(test_spool_in_a_file),
		cmocka_unit_test(test_spool_forgets),
		cmocka_unit_test(test_spool_counts_what_is_unread),
		cmocka_unit_test(test_spool_is_taken),
		cmocka_unit_test(test_spool_has_a_limit),
		cmocka_unit_test(test_spool_without_a_folder),
		cmocka_unit_test(test_tags_are_put_back),
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcapng_section_and_interface),
		cmocka_unit_test(test_pcapng_frame),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_choice_of_events),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
