// SPDX-License-Identifier: GPL-2.0-only
/* Loading the program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire.skel.h"
#include "wire/internal.h"

/* The end of what libbpf says while it loads: shown if the load fails, for the verifier's words stand there. */
static struct buffer libbpf_log;
#define LOG_SIZE 768

static int keep_log(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_DEBUG)
		return 0;
	buffer_vprintf(&libbpf_log, format, args);
	buffer_keep_end(&libbpf_log, LOG_SIZE);
	return 0;
}

/* What a reader of captures will do. */
static bool probe_perf(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Where captures or further maps of rules cannot be, frames do not even ask for them. */
static void choose_stages(struct wire *wire)
{
	int cpus = libbpf_num_possible_cpus();

	wire->can_capture = cpus > 0 && probe_perf();
	wire->skeleton->rodata->can_capture = wire->can_capture;
	wire->more_rules = wire_probe_more_rules();
	wire->skeleton->rodata->more_rules = wire->more_rules;
	bpf_map__set_autocreate(wire->skeleton->maps.links_more, wire->more_rules);
	bpf_map__set_autocreate(wire->skeleton->maps.events, wire->can_capture);
	if (!wire->can_capture)
		return;
	wire->skeleton->rodata->cpu_count = (uint32_t)cpus;
	bpf_map__set_max_entries(wire->skeleton->maps.events, WIRE_MAX_READERS * (uint32_t)cpus);
}

static int load_program(struct wire *wire, struct error *err)
{
	int code;

	buffer_free(&libbpf_log);
	libbpf_set_print(keep_log);
	wire->skeleton = wire_bpf__open();
	if (wire->skeleton) {
		choose_stages(wire);
		if (!wire_bpf__load(wire->skeleton))
			return 0;
	}
	code = errno;
	error_errno(err, code, "load the wire program");
	if (code == EPERM)
		return error_append(err, " (needs CAP_BPF and CAP_NET_ADMIN; run it as root)");
	/* The verifier has not been asked. */
	if (code == EMFILE || code == ENFILE)
		return -code;
	return error_append(err, "\n%s", buffer_string(&libbpf_log));
}

static int map_control(struct wire *wire, struct error *err)
{
	void *page = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, wire->control, 0);

	if (page == MAP_FAILED)
		return error_errno(err, errno, "map the control value of the wire program");
	wire->global = page;
	return 0;
}

int wire_load(struct wire **result, struct error *err)
{
	struct wire *wire = memory_new(sizeof(*wire));

	*result = NULL;
	if (load_program(wire, err)) {
		wire_close(wire);
		return -err->code;
	}
	wire->ports = bpf_map__fd(wire->skeleton->maps.ports);
	wire->links = bpf_map__fd(wire->skeleton->maps.links);
	wire->states = bpf_map__fd(wire->skeleton->maps.states);
	wire->ordinals = bpf_map__fd(wire->skeleton->maps.ordinals);
	wire->counters = bpf_map__fd(wire->skeleton->maps.counters);
	wire->control = bpf_map__fd(wire->skeleton->maps.control);
	if (map_control(wire, err)) {
		wire_close(wire);
		return -err->code;
	}
	/* The places of paths are zero at first, which must not look like an epoch that is in force. */
	wire_raise_epoch(wire);
	*result = wire;
	return 0;
}

bool wire_can_capture(const struct wire *wire)
{
	return wire->can_capture;
}

void wire_close(struct wire *wire)
{
	if (!wire)
		return;
	if (wire->global)
		munmap(wire->global, (size_t)getpagesize());
	wire_close_more(wire);
	wire_bpf__destroy(wire->skeleton);
	free(wire->gone);
	free(wire->flushed);
	free(wire);
}

int wire_ingress_fd(const struct wire *wire)
{
	return bpf_program__fd(wire->skeleton->progs.wire_ingress);
}

int wire_egress_fd(const struct wire *wire)
{
	return bpf_program__fd(wire->skeleton->progs.wire_egress);
}

static int program_id(int fd, uint32_t *id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*id = info.id;
	return 0;
}

static int map_id(int fd, uint32_t *id)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*id = info.id;
	return 0;
}

int wire_ids(const struct wire *wire, struct wire_ids *ids, struct error *err)
{
	if (program_id(wire_ingress_fd(wire), &ids->ingress) || program_id(wire_egress_fd(wire), &ids->egress) ||
	    map_id(wire->ports, &ids->ports) || map_id(wire->links, &ids->links) ||
	    map_id(wire->states, &ids->states) || map_id(wire->ordinals, &ids->ordinals) ||
	    map_id(wire->counters, &ids->counters) || map_id(wire->control, &ids->control) ||
	    map_id(bpf_map__fd(wire->skeleton->maps.counters_more), &ids->counters_more) ||
	    (wire->more_rules && map_id(bpf_map__fd(wire->skeleton->maps.links_more), &ids->links_more)) ||
	    map_id(bpf_map__fd(wire->skeleton->maps.captures), &ids->captures) ||
	    (wire->can_capture && map_id(bpf_map__fd(wire->skeleton->maps.events), &ids->events)))
		return error_errno(err, errno, "ask for the ids of programs and maps");
	return 0;
}
