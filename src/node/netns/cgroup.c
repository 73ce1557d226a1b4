// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "node/netns/cgroup_home.h"
#include "node/netns/cgroup_place.h"
#include "node/netns/protocol.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"

#define PERIOD_US 100000 /* of cpu.max, as the kernel has it by default */
/* What is stopped is so in microseconds, unless it waits in the kernel for something that does not come. */
#define FREEZE_NS   (10 * NS_PER_S)
#define END_NS	    NS_PER_S
#define EVENTS_SIZE 128

struct cgroup {
	struct cgroup_place *place;
	char path[PATH_MAX];
};

static int make_folder(struct cgroup *cgroup, const char *name, struct error *err)
{
	snprintf(cgroup->path, PATH_MAX, "%.4050s/%.32s", cgroup->place->path, name);
	/* Two labs may have nodes of the same name. */
	for (int i = 2; mkdir(cgroup->path, 0755); i++) {
		if (errno != EEXIST) {
			error_errno(err, errno, "make the cgroup %s", cgroup->path);
			*cgroup->path = '\0';
			return -err->code;
		}
		snprintf(cgroup->path, PATH_MAX, "%.4050s/%.32s.%d", cgroup->place->path, name, i);
	}
	return 0;
}

static int write_number(const struct cgroup *cgroup, const char *file, uint64_t number, const char *rest,
			struct error *err)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", number, rest);
	return cgroup_write(cgroup->path, file, text, err);
}

static int set_limits(const struct cgroup *cgroup, const struct cgroup_limits *limits, struct error *err)
{
	if (limits->memory_bytes) {
		if (write_number(cgroup, "memory.max", limits->memory_bytes, "", err))
			return -err->code;
		/* So much and no more, as of a guest. A kernel may count no swap. */
		if (write_number(cgroup, "memory.swap.max", 0, "", err) && err->code != ENOENT)
			return -err->code;
	}
	if (limits->cpus && write_number(cgroup, "cpu.max", (uint64_t)limits->cpus * PERIOD_US, " 100000", err))
		return -err->code;
	if (limits->pids && write_number(cgroup, "pids.max", limits->pids, "", err))
		return -err->code;
	return 0;
}

int cgroup_open(struct cgroup **result, const char *name, const struct cgroup_limits *limits, struct error *err)
{
	unsigned int wanted = (limits->memory_bytes ? CGROUP_MEMORY : 0) | (limits->cpus ? CGROUP_CPU : 0) |
			      (limits->pids ? CGROUP_PIDS : 0);
	struct cgroup *cgroup = memory_new(sizeof(*cgroup));

	if (cgroup_place_take(wanted, &cgroup->place, err) || make_folder(cgroup, name, err) ||
	    set_limits(cgroup, limits, err)) {
		cgroup_close(cgroup);
		return -err->code;
	}
	*result = cgroup;
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	if (*cgroup->path)
		cgroup_remove(cgroup->path, clock_after(END_NS));
	if (cgroup->place)
		cgroup_place_release(cgroup->place);
	free(cgroup);
}

const char *cgroup_path(const struct cgroup *cgroup)
{
	return cgroup->path;
}

int cgroup_descriptor(const struct cgroup *cgroup)
{
	return cgroup ? open(cgroup->path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
}

static bool is_frozen(int events)
{
	char text[EVENTS_SIZE];
	ssize_t size = pread(events, text, sizeof(text) - 1, 0);

	text[size > 0 ? size : 0] = '\0';
	return strstr(text, "frozen 1") != NULL;
}

static int await_frozen(const struct cgroup *cgroup, struct error *err)
{
	uint64_t deadline_ns = clock_after(FREEZE_NS);
	struct pollfd events = { .events = POLLPRI };
	char path[PATH_MAX + 32];
	int ready = 1;

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup->path);
	events.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (events.fd < 0)
		return error_errno(err, errno, "open %s", path);
	/* What has changed since it was read last ends the wait. */
	while (!is_frozen(events.fd) && ready > 0)
		ready = wait_poll(&events, 1, deadline_ns, err);
	if (!ready)
		error_set(err, ETIMEDOUT,
			  "not all of its processes stopped within %llu s: some wait in the kernel (state D); they are "
			  "listed in %s/cgroup.threads",
			  FREEZE_NS / NS_PER_S, cgroup->path);
	close(events.fd);
	return ready > 0 ? 0 : -err->code;
}

int cgroup_freeze(struct cgroup *cgroup, struct error *err)
{
	struct error ignored;

	if (cgroup_write(cgroup->path, "cgroup.freeze", "1", err))
		return -err->code;
	if (await_frozen(cgroup, err)) {
		cgroup_thaw(cgroup, &ignored);
		return -err->code;
	}
	return 0;
}

int cgroup_thaw(struct cgroup *cgroup, struct error *err)
{
	return cgroup_write(cgroup->path, "cgroup.freeze", "0", err);
}

static int join(int folder, struct error *err)
{
	char is_frozen = '0';
	int freeze = openat(folder, "cgroup.freeze", O_RDONLY | O_CLOEXEC);
	int processes = openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	err->code = 0;
	if (freeze < 0 || processes < 0 || read(freeze, &is_frozen, 1) != 1)
		error_errno(err, errno, "open its cgroup");
	else if (is_frozen == '1')
		error_set(err, EBUSY, "it is paused; nothing runs in it until its script resumes it");
	else if (write(processes, "0", 1) != 1)
		error_errno(err, errno, "go into its cgroup");
	if (freeze >= 0)
		close(freeze);
	if (processes >= 0)
		close(processes);
	return -err->code;
}

int cgroup_join(int pidfd, struct error *err)
{
	int folder = (int)syscall(SYS_pidfd_getfd, pidfd, INIT_CGROUP, 0);
	struct statfs found;
	int status = 0;

	if (folder < 0)
		return error_errno(err, errno, "look for its cgroup");
	/* Where there is none, its place is taken by something else. */
	if (!fstatfs(folder, &found) && found.f_type == CGROUP2_SUPER_MAGIC)
		status = join(folder, err);
	close(folder);
	return status;
}

int cgroup_try_freezer(struct error *err)
{
	struct cgroup *cgroup = NULL;
	int status = cgroup_open(&cgroup, "doctor", &(struct cgroup_limits){ 0 }, err);

	if (cgroup)
		status = cgroup_freeze(cgroup, err);
	cgroup_close(cgroup);
	return status;
}

int cgroup_try_limits(struct error *err)
{
	const struct cgroup_limits limits = { .memory_bytes = 1 << 30, .cpus = 1, .pids = 1000 };
	struct cgroup *cgroup = NULL;
	int status = cgroup_open(&cgroup, "doctor", &limits, err);

	cgroup_close(cgroup);
	return status;
}
