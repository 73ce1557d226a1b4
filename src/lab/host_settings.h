/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sysctls of the host that a run needs larger than they are: raised while a run needs it, for the sum of all runs side by side,
 * and put back when the last run that did lets go, unless somebody else has set it meanwhile. A run that is killed cannot
 * put back: the next run does, and `provium doctor` tells.
 *
 * How: in HOST_SETTINGS_FOLDER the file "settings" says what was raised, from what and to what; whoever reads or changes
 * anything there locks it. Each run has a file "run.XXXXXX" of what it needs, locked too, which the kernel undoes with the
 * process: a file that is not locked says nothing any more.
 */
#ifndef PROVIUM_LAB_HOST_SETTINGS_H
#define PROVIUM_LAB_HOST_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

struct error;

#define HOST_SETTINGS_FOLDER "/run/provium"
#define HOST_SETTING_PATH    96

struct host_settings;

struct host_setting {
	char path[HOST_SETTING_PATH]; /* below /proc/sys, of a number */
	uint64_t amount;	      /* what this run needs; 0: nothing any more */
	uint64_t most;		      /* never set to more than this */
};

/*
 * The run needs these from now on, whatever it needed of them before. Half of what a setting is by itself is for runs to use;
 * if all of them together need more, their sum is added to it. Settings below net/ are those of the calling thread's
 * network namespace. *settings is made by the first call. An error: some could not be raised; all others were.
 */
int host_settings_need(struct host_settings **settings, const struct host_setting *wanted, size_t count,
		       struct error *err);

/* Lets go of everything, in the same namespace. NULL is fine. */
void host_settings_close(struct host_settings *settings);

/* The value now, or 0 and an error: ENOENT if this kernel, or this network namespace, has no such setting. */
int host_setting_read(const char *path, uint64_t *value, struct error *err);

/* Calls each() for every setting, here, that a killed run has left raised. */
void host_settings_each_left(void (*each)(const char *path, uint64_t original, void *context), void *context);

#endif
