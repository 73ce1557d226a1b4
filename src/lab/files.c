// SPDX-License-Identifier: GPL-2.0-only
#include "lab/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab/lab.h"
#include "util/clock.h"
#include "util/error.h"

#define FILE_NS	   (30 * NS_PER_S)
#define WHAT_SIZE  256
#define ERROR_SIZE 512
#define PERM_SIZE  16

/* Without the newline at its end. */
static int line_length(const struct buffer *text)
{
	size_t length = text->size < ERROR_SIZE ? text->size : ERROR_SIZE;

	return length && text->data[length - 1] == '\n' ? (int)length - 1 : (int)length;
}

/* Runs a command of ours to its end, with the answer's stdout in *out, or an error made of its stderr. */
static int ask(struct machine *machine, const struct command *command, const char *what, struct buffer *out,
	       struct error *err)
{
	struct process *process;

	if (machine->kind->start(machine->node, command, &process, err))
		return -err->code;
	err->code = 0;
	if (process->ops->wait(process, clock_after(FILE_NS), PROCESS_UNTIL_END, err))
		error_wrap(err, "vm `%s`: %s", machine->name, what);
	else if (process->status == PROCESS_RUNNING)
		error_set(err, ETIMEDOUT, "vm `%s`: %s: not done within %llu s", machine->name, what,
			  FILE_NS / NS_PER_S);
	else if (process->status != PROCESS_EXITED || process->code)
		error_set(err, EIO, "vm `%s`: %s: %.*s", machine->name, what, line_length(&process->err),
			  buffer_string(&process->err));
	if (!err->code && out) {
		*out = process->out;
		process->out = (struct buffer){ 0 };
	}
	process->ops->close(process);
	return -err->code;
}

/* The same for a shell script, whose $1 is the path. */
static int ask_shell(struct machine *machine, const char *script, const char *verb, const char *path, const char *more,
		     struct buffer *out, struct error *err)
{
	const char *argv[] = { "sh", "-c", script, "sh", path, more, NULL };
	struct command command = { .argv = argv };
	char what[WHAT_SIZE];

	snprintf(what, sizeof(what), "%s %s", verb, path);
	return ask(machine, &command, what, out, err);
}

int files_write(struct machine *machine, const struct machine_file *file, struct error *err)
{
	static const char script[] =
		"mkdir -p \"$(dirname \"$1\")\" && cat > \"$1\" && { [ -z \"$2\" ] || chmod \"$2\" \"$1\"; }";
	char what[WHAT_SIZE], mode[PERM_SIZE] = "";
	const char *argv[] = { "sh", "-c", script, "sh", file->path, mode, NULL };
	struct command command = { .argv = argv, .stdin_data = file->content, .stdin_size = file->size };

	if (file->mode)
		snprintf(mode, sizeof(mode), "%o", file->mode);
	snprintf(what, sizeof(what), "write %s", file->path);
	return ask(machine, &command, what, NULL, err);
}

int files_read(struct machine *machine, const char *path, struct buffer *content, struct error *err)
{
	const char *argv[] = { "cat", "--", path, NULL };
	struct command command = { .argv = argv };
	char what[WHAT_SIZE];

	snprintf(what, sizeof(what), "read %s", path);
	return ask(machine, &command, what, content, err);
}

static const char *type_of(unsigned int mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block_device";
	case S_IFCHR:
		return "char_device";
	default:
		return "other";
	}
}

/* "81a4 49 1795832257 2026-11-28 02:17:37.522192089 +0000": busybox knows no other format with the nanoseconds. */
static bool read_status(const char *text, struct file_status *status)
{
	const char *fraction = strchr(text, '.');
	unsigned long long size;
	unsigned int mode;
	long long seconds;

	if (sscanf(text, "%x %llu %lld", &mode, &size, &seconds) != 3)
		return false;
	status->size = size;
	status->changed_ns = seconds * (int64_t)NS_PER_S + (fraction ? strtol(fraction + 1, NULL, 10) : 0);
	status->perm = mode & 07777;
	status->type = type_of(mode);
	return true;
}

int files_status(struct machine *machine, const char *path, struct file_status *status, struct error *err)
{
	const char *argv[] = { "stat", "-c", "%f %s %Y %y", "--", path, NULL };
	struct command command = { .argv = argv };
	struct buffer answer = { 0 };
	char what[WHAT_SIZE];

	snprintf(what, sizeof(what), "stat %s", path);
	if (ask(machine, &command, what, &answer, err))
		return -err->code;
	if (!read_status(buffer_string(&answer), status))
		error_set(err, EBADMSG, "vm `%s`: %s: its stat answers `%.80s`, which is in another form than expected",
			  machine->name, what, buffer_string(&answer));
	buffer_free(&answer);
	return -err->code;
}

int files_list(struct machine *machine, const char *path, struct buffer *entries, struct error *err)
{
	/* A shell does not say why it cannot go into a folder; ls does. */
	static const char script[] = "cd -- \"$1\" 2>/dev/null || { ls -- \"$1/.\" >/dev/null; exit 1; }\n"
				     "for name in * .[!.]* ..?*; do\n"
				     "	if [ -L \"$name\" ]; then type=symlink\n"
				     "	elif [ -f \"$name\" ]; then type=file\n"
				     "	elif [ -d \"$name\" ]; then type=directory\n"
				     "	elif [ -p \"$name\" ]; then type=fifo\n"
				     "	elif [ -S \"$name\" ]; then type=socket\n"
				     "	elif [ -b \"$name\" ]; then type=block_device\n"
				     "	elif [ -c \"$name\" ]; then type=char_device\n"
				     "	elif [ -e \"$name\" ]; then type=other\n"
				     "	else continue; fi\n" /* a pattern that nothing matches */
				     "	printf '%s %s\\0' $type \"$name\"\n"
				     "done\n";

	return ask_shell(machine, script, "list", path, NULL, entries, err);
}

int files_size(struct machine *machine, const char *path, uint64_t *size, struct error *err)
{
	static const char script[] = "if [ -d \"$1\" ]; then echo 'Is a directory' >&2; exit 1; fi\n"
				     "stat -L -c %s -- \"$1\"";
	struct buffer answer = { 0 };

	if (ask_shell(machine, script, "read", path, NULL, &answer, err))
		return -err->code;
	*size = strtoull(buffer_string(&answer), NULL, 10);
	buffer_free(&answer);
	return 0;
}

int files_make_folder(struct machine *machine, const char *path, bool parents, const unsigned int *perm,
		      struct error *err)
{
	char mode[PERM_SIZE] = "";

	if (perm)
		snprintf(mode, sizeof(mode), "%o", *perm);
	return ask_shell(machine, parents ? "mkdir -p ${2:+-m \"$2\"} -- \"$1\"" : "mkdir ${2:+-m \"$2\"} -- \"$1\"",
			 "make the folder", path, mode, NULL, err);
}

int files_remove(struct machine *machine, const char *path, struct error *err)
{
	static const char script[] = "if [ -d \"$1\" ] && [ ! -L \"$1\" ]; then rmdir -- \"$1\"; else rm -- \"$1\"; fi";

	return ask_shell(machine, script, "remove", path, NULL, NULL, err);
}

int files_rename(struct machine *machine, const char *from, const char *to, struct error *err)
{
	return ask_shell(machine, "mv -fT -- \"$1\" \"$2\"", "rename", from, to, NULL, err);
}
