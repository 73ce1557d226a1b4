// SPDX-License-Identifier: GPL-2.0-only
/* From what a person asks for to the events that show it. */
#include "capture/capture.h"

#define SENT	(1U << WIRE_EVENT_SENT)
#define BOUND	(1U << WIRE_EVENT_BOUND)
#define OUTCOME (1U << WIRE_EVENT_OUTCOME)

#define DELIVERED (1U << WIRE_DELIVERED)
#define DROPPED	  ((1U << WIRE_VERDICTS) - 1 - DELIVERED)

static uint16_t verdict_bits(enum capture_verdicts verdicts)
{
	switch (verdicts) {
	case CAPTURE_DELIVERED:
		return DELIVERED;
	case CAPTURE_DROPPED:
		return DROPPED;
	default:
		return DELIVERED | DROPPED;
	}
}

/*
 * When a frame is sent, it has no receiver yet. So frames as they were sent, but to a certain receiver, are taken when
 * they are about to get there, whatever becomes of them.
 */
static void choose_receiver(struct capture_options *options)
{
	struct wire_capture *wanted = &options->wanted;

	if (!wanted->to || !(wanted->kinds & SENT))
		return;
	wanted->kinds = OUTCOME;
	if (wanted->nic == wanted->to)
		return;
	wanted->kinds = BOUND;
	wanted->verdicts = DELIVERED | DROPPED;
	if (wanted->nic && wanted->from && wanted->from != wanted->nic)
		wanted->kinds = 0; /* it is neither from the NIC nor to it */
	else if (wanted->nic)
		wanted->from = wanted->nic;
	wanted->nic = 0;
}

void capture_choose_events(struct capture_options *options, uint16_t nic, enum capture_verdicts verdicts)
{
	struct wire_capture *wanted = &options->wanted;

	wanted->nic = nic;
	if (!nic) {
		bool as_sent = options->format == CAPTURE_PCAP && verdicts == CAPTURE_AS_USUAL;

		wanted->kinds = as_sent ? SENT : OUTCOME;
		wanted->verdicts = verdict_bits(verdicts);
	} else {
		wanted->kinds = verdicts == CAPTURE_DROPPED ? OUTCOME : SENT | OUTCOME;
		wanted->verdicts = verdict_bits(verdicts == CAPTURE_AS_USUAL ? CAPTURE_DELIVERED : verdicts);
	}
	choose_receiver(options);
}
