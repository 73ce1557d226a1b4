// SPDX-License-Identifier: GPL-2.0-only
#include "history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "util/error.h"

#define NS_PER_S   1000000000ULL
#define ELSEWHERE  1000U    /* the bridge beside */
#define STALE_NS   NS_PER_S /* a frame that is older is not believed when it was sent */
#define MARGIN_NS  (50 * 1000000ULL)
#define LONGEST_NS (3 * NS_PER_S) /* that a frame is on the bridge */

void history_tell(struct history *history, const char *format, ...)
{
	va_list args;

	if (!history->trace)
		return;
	fprintf(history->trace, "# %20" PRIu64 "  ", history->now_ns);
	va_start(args, format);
	vfprintf(history->trace, format, args);
	va_end(args);
	fputc('\n', history->trace);
}

void history_differs(struct history *history, const char *format, ...)
{
	va_list args;

	if (history->difference[0])
		return;
	va_start(args, format);
	vsnprintf(history->difference, sizeof(history->difference), format, args);
	va_end(args);
}

static bool is_over(const struct history *history)
{
	return history->difference[0];
}

/* ---- Time. */

static void pass_time(struct history *history)
{
	uint64_t most_ns = chance_of(&history->chance, 3) ? LONGEST_NS : history->pace_ns;

	history->now_ns += chance_up_to(&history->chance, most_ns);
}

/* Clearly young or clearly old when it leaves: the program looks at a clock that is some milliseconds behind. */
static void avoid_the_brink(struct history *history, const struct reference_frame *frame)
{
	uint64_t age_ns = history->now_ns - frame->sent_ns;

	if (frame->is_timed && age_ns > STALE_NS - MARGIN_NS && age_ns < STALE_NS + MARGIN_NS)
		history->now_ns += 2 * MARGIN_NS;
}

/* ---- Ports. */

static void set_port(struct history *history, uint16_t port)
{
	struct wire_port value = {
		.bridge = history->bridge,
		.port = port,
		.router = port && port == history->model.router,
		.out = history->model.ports[port].out,
		.mtu = history->model.mtu,
		.flush = history->flush,
		.salt = history->model.ports[port].name,
	};
	struct error err;

	if (!port)
		value.bridge += ELSEWHERE;
	if (wire_set_port(&history->stage->wire, (int)history->index[port], &value, &err))
		history_differs(history, "port: %s", err.text);
}

static uint32_t take_device(struct history *history)
{
	return (uint32_t)history->stage->devices[history->next_device++];
}

/* The same node comes back by another device. What is held for the one before is lost. */
static void replug(struct history *history)
{
	uint16_t port = (uint16_t)(1 + chance_below(&history->chance, history->port_count));

	/* No device is used twice. */
	if (history->next_device == HISTORY_DEVICES)
		return;
	wire_remove_port(&history->stage->wire, (int)history->index[port]);
	history->index[port] = take_device(history);
	history_tell(history, "port %u is device %u now", port, history->index[port]);
	history->model.ports[port].out = false;
	reference_unplug(&history->model, port);
	set_port(history, port);
}

static void pull_cable(struct history *history)
{
	uint16_t port = (uint16_t)(1 + chance_below(&history->chance, history->port_count));
	bool out;

	/* Rather one that is out. */
	for (uint16_t other = 1; other <= history->port_count; other++)
		if (history->model.ports[other].out && chance_of(&history->chance, 80))
			port = other;
	out = !history->model.ports[port].out;
	history_tell(history, "cable of %u: %s", port, out ? "out" : "in");
	wire_set_out(&history->stage->wire, (int)history->index[port], out);
	history->model.ports[port].out = out;
}

static void set_mtu(struct history *history)
{
	history->model.mtu = (uint32_t)(68 + chance_below(&history->chance, 300));
	history_tell(history, "MTU %u", history->model.mtu);
	for (uint16_t port = 1; port <= history->port_count; port++)
		set_port(history, port);
}

/* ---- Frames. */

/* The headers of all but the first segment are not in the data. */
static void segment_later(struct history *history, struct flight *flight)
{
	uint32_t headers = flight->bytes.headers, length = flight->bytes.length;

	if (!headers || headers >= length || !chance_of(&history->chance, 10))
		return;
	flight->gso_size = (uint32_t)(1 + chance_below(&history->chance, length - headers));
	flight->gso_segs = (length - headers + flight->gso_size - 1) / flight->gso_size;
	flight->wire_len += (flight->gso_segs - 1) * headers;
	flight->model.is_segmented = true;
}

static struct flight *make_flight(struct history *history, uint16_t from)
{
	struct flight *flight = &history->flights[history->flight_count];
	uint32_t tags;

	*flight = (struct flight){ .from_index = history->index[from] };
	make_frame(&history->chance, &flight->bytes);
	flight->wire_len = flight->bytes.length;
	segment_later(history, flight);
	tags = flight->gso_segs ? flight->gso_segs : 1;
	if (chance_of(&history->chance, 10))
		flight->tag = (chance_of(&history->chance, 50) ? 0x8100U : 0x88a8U) << 16 |
			      (uint32_t)(1 + chance_below(&history->chance, 4094));
	flight->model.from = from;
	flight->model.class = flight->bytes.class;
	flight->model.is_for_bridge = flight->bytes.is_for_bridge;
	flight->model.length = flight->bytes.length;
	flight->model.bytes = flight->wire_len + (flight->tag ? 4 * tags : 0);
	return flight;
}

static void add_copy(struct history *history, uint16_t from, uint16_t to)
{
	if (to != from && history->copy_count < HISTORY_COPIES)
		history->copies[history->copy_count++] = (struct copy){ .flight = history->flight_count, .to = to };
}

/* To one, or to all. */
static void add_copies(struct history *history, uint16_t from)
{
	if (chance_of(&history->chance, 40)) {
		add_copy(history, from, (uint16_t)(1 + chance_below(&history->chance, history->port_count)));
		return;
	}
	for (uint16_t to = 1; to <= history->port_count; to++)
		add_copy(history, from, to);
}

/* Of a node; or of the switch itself, which enters nowhere, or comes from another bridge, and may have any mark. */
static void send_frame(struct history *history)
{
	uint16_t from =
		(uint16_t)(chance_of(&history->chance, 8) ? 0
							  : 1 + chance_below(&history->chance, history->port_count));
	struct flight *flight;

	if (history->flight_count == HISTORY_FRAMES)
		return;
	flight = make_flight(history, from);
	history_tell(history, "frame %u from %u: %" PRIu64 " bytes, class %04x/%u/%u, %u segments, tag %x",
		     history->flight_count, from, flight->model.bytes, flight->model.class.ethertype,
		     flight->model.class.protocol, flight->model.class.port, flight->gso_segs, flight->tag);
	if (from) {
		history_enter(history, flight);
	} else {
		flight->mark = (uint32_t)chance_next(&history->chance);
		flight->priority = (uint32_t)chance_next(&history->chance);
		flight->from_index = chance_of(&history->chance, 50) ? 0 : flight->from_index;
	}
	history_tell(history, "    it has %s at %s, free %" PRIu64, wire_verdict_name(flight->model.verdict),
		     wire_hops[flight->model.hop], flight->model.free_ns);
	if (!flight->model.is_for_bridge || !from)
		add_copies(history, from);
	history->flight_count++;
}

static void deliver_one(struct history *history)
{
	uint32_t copy = (uint32_t)chance_below(&history->chance, history->copy_count);
	const struct reference_frame *frame = &history->flights[history->copies[copy].flight].model;

	avoid_the_brink(history, frame);
	if (frame->is_timed && history->now_ns - frame->sent_ns > LONGEST_NS)
		history->copies[copy] = history->copies[--history->copy_count];
	else
		history_leave(history, copy);
}

static void deliver(struct history *history, uint64_t count)
{
	while (count-- && history->copy_count && !is_over(history)) {
		deliver_one(history);
		pass_time(history);
	}
}

static void send_and_deliver(struct history *history)
{
	send_frame(history);
	if (chance_of(&history->chance, 60))
		deliver(history, chance_below(&history->chance, 2U * history->port_count));
}

void history_go_on(struct history *history)
{
	if (chance_of(&history->chance, 50))
		send_frame(history);
	deliver(history, chance_below(&history->chance, 3));
}

/* There is no line, or the kernel cannot put anything on it. */
static void lose_line(struct history *history)
{
	struct wire_control *global = history->stage->wire.global;

	history_tell(history, "no line");
	history->model.no_line = true;
	global->line = chance_of(&history->chance, 50) ? 0 : UINT16_MAX;
	deliver(history, 2);
	history->model.no_line = false;
	global->line = history->stage->line;
	history_tell(history, "a line again");
}

/* ---- What is held. */

/* The one that is due first; the count of them if there is none. */
static size_t first_held(const struct history *history)
{
	size_t first = 0;

	for (size_t i = 1; i < history->model.held_count; i++)
		if (history->model.held[i].due_ns < history->model.held[first].due_ns)
			first = i;
	return first;
}

/* As fq lets them go. With wait, time passes until they are all due. */
static void release(struct history *history, bool wait)
{
	while (history->model.held_count && !is_over(history)) {
		size_t first = first_held(history);
		uint64_t due_ns = history->model.held[first].due_ns;

		if (due_ns > history->now_ns && !wait)
			return;
		if (due_ns > history->now_ns)
			history->now_ns = due_ns;
		history_due(history, first);
	}
}

static void wait_and_release(struct history *history)
{
	pass_time(history);
	if (history->model.held_count && chance_of(&history->chance, 30)) {
		uint64_t due_ns = history->model.held[first_held(history)].due_ns;

		if (due_ns > history->now_ns)
			history->now_ns = due_ns;
	}
	release(history, false);
}

static void flush(struct history *history)
{
	history->flush++;
	history_tell(history, "flush %u", history->flush);
	wire_flush(&history->stage->wire, history->bridge, history->flush);
	reference_flush(&history->model);
}

static void set_seed(struct history *history)
{
	uint64_t seed = chance_next(&history->chance);

	history_tell(history, "seed %" PRIu64, seed);
	wire_set_seed(&history->stage->wire, seed);
	reference_set_seed(&history->model, seed);
}

/* ---- The whole. */

static void take_step(struct history *history)
{
	static const struct {
		unsigned int percent;
		void (*take)(struct history *history);
	} steps[] = {
		{ 45, send_and_deliver },
		{ 18, history_change_rules },
		{ 15, wait_and_release },
		{ 5, pull_cable },
		{ 3, flush },
		{ 2, history_reset_rules },
		{ 3, set_seed },
		{ 3, replug },
		{ 1, set_mtu },
		{ 2, lose_line },
		{ 3, history_follow_trace },
	};
	uint64_t roll = chance_below(&history->chance, 100);

	pass_time(history);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (roll < steps[i].percent) {
			steps[i].take(history);
			return;
		}
		roll -= steps[i].percent;
	}
}

static void begin_model(struct history *history)
{
	struct chance *chance = &history->chance;

	history->model.mtu = chance_of(chance, 20) ? (uint32_t)(68 + chance_below(chance, 200)) : 1500;
	history->model.router = (uint16_t)chance_below(chance, 2);
	for (uint16_t port = 1; port <= history->port_count; port++)
		history->model.ports[port].name = chance_next(chance);
}

static void begin_program(struct history *history)
{
	struct wire_control *global = history->stage->wire.global;

	global->line = history->stage->line;
	global->line_end = history->stage->line_end;
	global->stamping = 0;
	memset(global->captures, 0, sizeof(global->captures));
	/* A capture asks for the time, too. */
	history->model.stamping = chance_of(&history->chance, 12);
	global->captures[history->bridge % WIRE_CAPTURE_PLACES] = history->model.stamping;
	for (uint16_t port = 0; port <= history->port_count; port++) {
		history->index[port] = take_device(history);
		set_port(history, port);
	}
	if (history->flush)
		wire_flush(&history->stage->wire, history->bridge, history->flush);
	set_seed(history);
}

/* The time is of any magnitude, and often just before the lower half of it begins anew. */
static void begin(struct history *history)
{
	struct chance *chance = &history->chance;

	*chance = (struct chance){ .state = history->seed };
	history->now_ns = 10 * NS_PER_S + chance_up_to(chance, 1ULL << 50);
	if (chance_of(chance, 50))
		history->now_ns = (history->now_ns | UINT32_MAX) - chance_up_to(chance, NS_PER_S);
	history->pace_ns = 1 + chance_up_to(chance, NS_PER_S / 3);
	if (chance_of(chance, 80))
		history->rate_bps = 1000ULL + chance_up_to(chance, 1000000000000ULL);
	history->bridge = (uint32_t)(1 + chance_below(chance, 200));
	history->flush = chance_of(chance, 50) ? 0 : 0xfffe + (uint32_t)chance_below(chance, 3);
	history->port_count = (uint16_t)(2 + chance_below(chance, 5));
	history->first_device = (uint32_t)chance_below(chance, HISTORY_DEVICES - history->port_count);
	history->next_device = history->first_device;
	begin_model(history);
	begin_program(history);
	history_tell(history, "%u ports%s, seed of the history %" PRIu64, history->port_count,
		     history->model.router ? ", 1 is the router" : "", history->seed);
}

struct recount {
	struct history *history;
	size_t pairs;
};

static void check_pair(const struct wire_key *key, const struct wire_counters *counters, void *context)
{
	struct recount *recount = context;

	(void)counters;
	recount->pairs++;
	if (key->from > recount->history->port_count || key->to > recount->history->port_count)
		history_differs(recount->history, "the program counts for %u -> %u", key->from, key->to);
	else
		history_check_counters(recount->history, key->from, key->to);
}

static size_t count_pairs(const struct reference *model)
{
	static const struct reference_totals none;
	size_t pairs = 0;

	for (uint16_t from = 0; from < REFERENCE_PORTS; from++)
		for (uint16_t to = 0; to < REFERENCE_PORTS; to++)
			pairs += memcmp(&model->totals[from][to], &none, sizeof(none)) != 0;
	return pairs;
}

/* All that is on its way arrives; then nothing is counted but what the model counts. */
static void end(struct history *history)
{
	struct recount recount = { .history = history };

	deliver(history, HISTORY_COPIES);
	release(history, true);
	if (is_over(history))
		return;
	wire_each_counters(&history->stage->wire, history->bridge, check_pair, &recount);
	if (recount.pairs != count_pairs(&history->model))
		history_differs(history, "the program counts for %zu pairs, the model for %zu", recount.pairs,
				count_pairs(&history->model));
	if (wire_uncounted(&history->stage->wire) || wire_unnumbered(&history->stage->wire))
		history_differs(history, "a map is full");
}

static void clean_up(struct history *history)
{
	wire_forget_bridge(&history->stage->wire, history->bridge);
	for (uint32_t i = history->first_device; i < history->next_device; i++)
		bpf_map_delete_elem(history->stage->wire.ports, &history->stage->devices[i]);
}

bool history_play(struct history *history, struct stage *stage, uint64_t seed, uint64_t skipped, FILE *trace)
{
	memset(history, 0, sizeof(*history));
	history->stage = stage;
	history->seed = seed;
	history->skipped = skipped;
	history->trace = trace;
	begin(history);
	for (uint64_t step = 0; step < HISTORY_STEPS && !is_over(history); step++) {
		history->chance.state = seed ^ (step + 1) << 48 ^ 0x5bd1e995;
		if (!(skipped >> step & 1))
			take_step(history);
	}
	history->chance.state = ~seed;
	if (!is_over(history))
		end(history);
	clean_up(history);
	return !is_over(history);
}
