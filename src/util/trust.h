/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that are found by search, not named by the caller: they are read only if nobody but root and the caller could have put them
 * there, or changed them. That is so if every folder on the way from / and the file itself belong to one of them, and others may
 * write to none; but a folder may be sticky, as /tmp is, for what is in there can be replaced by its owner alone. Called by sudo,
 * the user whose SUDO_UID is in the environment is the caller, too. A group counts as others unless it is root's, or the private
 * one of who owns the file.
 *
 * PROVIUM_TRUST lists folders, with `:` between them, in which and below which whatever is found is read.
 */
#ifndef PROVIUM_UTIL_TRUST_H
#define PROVIUM_UTIL_TRUST_H

#include <stdbool.h>

struct buffer;
struct error;

/*
 * Opens a regular file for reading, checked by the descriptors that it was come to by. Returns the descriptor or -err->code: ENOENT
 * or ENOTDIR if there is none, EPERM and a text that says whose it is and how to allow it if it is not to be trusted.
 */
int trust_open(const char *path, struct error *err);

/* The same for a folder. What is in it is by nobody else, but for a sticky one. The descriptor is without rights (O_PATH). */
int trust_open_folder(const char *path, struct error *err);

/* Adds all that is in such a file to the text. */
int trust_read(const char *path, struct buffer *text, struct error *err);

/* Whether an error of these says that there is no file. */
bool trust_found_nothing(const struct error *err);

#endif
