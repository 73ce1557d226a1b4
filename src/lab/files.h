/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files in a machine, of whatever kind. All is done by a shell and a few small programs in the machine, which coreutils and
 * busybox have alike. The machine must be able to run commands; errors name it, the path, and the reason that the program gave.
 */
#ifndef PROVIUM_LAB_FILES_H
#define PROVIUM_LAB_FILES_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct error;
struct machine;
struct machine_file;

/* Whole files. The folder of the path is made if need be. */
int files_write(struct machine *machine, const struct machine_file *file, struct error *err);
int files_read(struct machine *machine, const char *path, struct buffer *content, struct error *err);

struct file_status {
	uint64_t size;
	int64_t changed_ns; /* when its content was changed last, since 1970 */
	unsigned int perm;  /* the lower twelve bits of its mode */
	const char *type; /* "file", "directory", "symlink", "fifo", "socket", "block_device", "char_device", "other" */
};
/* Of the path itself: a symbolic link is not followed. */
int files_status(struct machine *machine, const char *path, struct file_status *status, struct error *err);
/* How many bytes there are to be read. A symbolic link is followed, a folder refused. */
int files_size(struct machine *machine, const char *path, uint64_t *size, struct error *err);
/* What is in the folder, without "." and "..": "TYPE NAME\0", one behind the other. A name may have any other byte in it. */
int files_list(struct machine *machine, const char *path, struct buffer *entries, struct error *err);

/* perm: exactly that; NULL: as the machine makes folders. With parents those above are made, and one that is there is no error. */
int files_make_folder(struct machine *machine, const char *path, bool parents, const unsigned int *perm,
		      struct error *err);
/* A file, a link, or an empty folder. */
int files_remove(struct machine *machine, const char *path, struct error *err);
/* At once. A file that is there under the new name goes. */
int files_rename(struct machine *machine, const char *from, const char *to, struct error *err);

#endif
