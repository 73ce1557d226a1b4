/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that is written anew, all or not at all: it is made without a name, and put in its place once what is to be in it is. Until
 * then, and if it is given up, what was there stays. A link is followed; a device or a pipe is written to as it is.
 */
#ifndef PROVIUM_UTIL_REPLACE_H
#define PROVIUM_UTIL_REPLACE_H

#include <stdbool.h>

struct error;

struct replacement {
	int fd;		 /* to write to */
	char *path;	 /* where it is to be */
	char *temporary; /* where it is meanwhile; NULL: nowhere, or there */
	bool is_new;	 /* not in its place yet */
};

/* The error's text is the bare reason. */
int replace_open(struct replacement *replacement, const char *path, struct error *err);
/* Puts it in its place. fd stays open. */
int replace_commit(struct replacement *replacement, struct error *err);
/* Closes it, and takes away what is not in its place. Safe twice. */
void replace_close(struct replacement *replacement);

#endif
