// SPDX-License-Identifier: GPL-2.0-only
#include "util/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_SIZE 1024 /* room for all 52 fields, of 20 digits each */

/* Numbers of fields in /proc/PID/stat, see proc(5), that stand behind the name. */
#define FIRST_FIELD 3
#define FIELD_PPID  4
#define FIELD_START 22

/*
 * The second field is the process's name, in brackets, and may have brackets, spaces and whole lines in it that look like other
 * fields: it ends with the last bracket of all.
 */
static uint64_t read_field(pid_t pid, int number)
{
	char path[32], text[STAT_SIZE];
	const char *field;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	field = strrchr(text, ')');
	field = field ? strchr(field, ' ') : NULL;
	for (int i = FIRST_FIELD; field && i < number; i++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field, NULL, 10) : 0;
}

pid_t proc_parent(pid_t pid)
{
	return (pid_t)read_field(pid, FIELD_PPID);
}

uint64_t proc_started(pid_t pid)
{
	return read_field(pid, FIELD_START);
}
