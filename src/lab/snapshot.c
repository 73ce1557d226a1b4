// SPDX-License-Identifier: GPL-2.0-only
/* The state of a whole machine in a file, and back. */
#include <errno.h>
#include <stdlib.h>

#include "lab/capture.h"
#include "lab/lab.h"
#include "util/clock.h"
#include "util/error.h"

static int check_kind(const struct machine *machine, const char *what, struct error *err)
{
	if (machine->kind->snapshot)
		return 0;
	return error_set(err, EOPNOTSUPP,
			 "vm `%s`: a node of kind %s has no state of its own to %s; use profile \"vm\"", machine->name,
			 machine->kind->name, what);
}

/* What a capture has seen cannot be taken back. */
static int check_captures(const struct machine *machine, const char *what, struct error *err)
{
	struct member **members;
	size_t count = machine_members(machine, &members);
	const char *site = NULL;

	for (size_t i = 0; i < count && !site; i++)
		site = lab_capture_site(members[i]->bridge);
	free(members);
	if (!site)
		return 0;
	return error_set(err, EBUSY,
			 "vm `%s`: cannot %s with 1 open stream: a capture on its bridge, opened at %s; close it first",
			 machine->name, what, site);
}

int machine_snapshot(struct machine *machine, int file, struct error *err)
{
	if (check_kind(machine, "save", err))
		return -err->code;
	if (machine_state(machine) != MACHINE_PAUSED && machine_need_booted(machine, "snapshot", err))
		return -err->code;
	return check_captures(machine, "snapshot", err) ? -err->code
							: machine->kind->snapshot(machine->node, file, err);
}

/* One that is down is booted first. */
static int boot_for(struct machine *machine, struct error *err)
{
	enum machine_state state = machine_state(machine);

	if (state != MACHINE_CREATED && state != MACHINE_SHUTDOWN && state != MACHINE_DEAD)
		return 0;
	return machines_boot(&machine, 1, clock_after(MACHINE_BOOT_NS), err);
}

int machine_restore(struct machine *machine, int file, struct error *err)
{
	if (check_kind(machine, "restore", err) || boot_for(machine, err))
		return -err->code;
	if (machine_state(machine) != MACHINE_PAUSED && machine_need_booted(machine, "restore", err))
		return -err->code;
	if (check_captures(machine, "restore", err) || machine->kind->restore(machine->node, file, err))
		return -err->code;
	machine->state = MACHINE_BOOTED;
	machine_heal(machine);
	/* It knows the names of then. */
	lab_refresh(machine->home);
	return 0;
}
