// SPDX-License-Identifier: GPL-2.0-only
#include "util/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "util/error.h"

/* Programs and maps, pipes, sockets: counted with an empty lab, and some to spare. */
#define LEAST_FILES 64U
#define GOOD_FILES  65536U

struct rlimit limits_raise_files(void)
{
	static struct rlimit before;
	struct rlimit limit;

	if (!before.rlim_max && !getrlimit(RLIMIT_NOFILE, &before)) {
		limit = before;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return before;
}

struct rlimit limits_most_files(struct rlimit usual)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	uint64_t most;

	if (file && fscanf(file, "%" SCNu64, &most) == 1 && most > usual.rlim_max)
		usual.rlim_max = most;
	if (file)
		fclose(file);
	return usual;
}

int limits_check_files(struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= LEAST_FILES)
		return 0;
	return error_set(
		err, EMFILE,
		"the limit of open files (RLIMIT_NOFILE, ulimit -n) is %llu, and a run needs at least %u; raise "
		"it: ulimit -n %u",
		(unsigned long long)limit.rlim_cur, LEAST_FILES, GOOD_FILES);
}

int limits_explain(struct error *err)
{
	struct rlimit limit = { 0 };

	if (err->code == ENFILE)
		return error_append(err, " (the limit of open files of the whole machine: sysctl -w fs.file-max=...)");
	if (err->code == EFBIG && !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return error_append(err,
				    " (the limit of a file's size, RLIMIT_FSIZE, is %llu bytes; raise it: ulimit -f "
				    "unlimited)",
				    (unsigned long long)limit.rlim_cur);
	if (err->code != EMFILE)
		return -err->code;
	getrlimit(RLIMIT_NOFILE, &limit);
	return error_append(err, " (the limit of open files, RLIMIT_NOFILE, is %llu; raise it: ulimit -n %u)",
			    (unsigned long long)limit.rlim_cur, GOOD_FILES);
}

int limits_explain_process(struct error *err)
{
	struct rlimit limit = { 0 };

	if (err->code == ENOSPC)
		return error_append(err, " (a limit of namespaces: see sysctl user.max_user_namespaces, "
					 "user.max_net_namespaces and their like)");
	if (err->code != EAGAIN)
		return -err->code;
	getrlimit(RLIMIT_NPROC, &limit);
	return error_append(
		err,
		" (a limit of processes: RLIMIT_NPROC, which is %lld here (ulimit -u), pids.max of the cgroup, or "
		"sysctl kernel.pid_max or kernel.threads-max)",
		limit.rlim_cur == RLIM_INFINITY ? -1LL : (long long)limit.rlim_cur);
}

int limits_explain_locked(struct error *err)
{
	struct rlimit limit;

	if (err->code != EPERM || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return -err->code;
	return error_append(
		err,
		" (the limit of locked memory, RLIMIT_MEMLOCK, is %llu KiB for who lacks CAP_IPC_LOCK; raise it: "
		"ulimit -l unlimited; or take smaller rings: {ring = \"256K\"})",
		(unsigned long long)limit.rlim_cur >> 10);
}
