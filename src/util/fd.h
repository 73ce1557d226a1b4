/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROVIUM_UTIL_FD_H
#define PROVIUM_UTIL_FD_H

#include <unistd.h>

/* If there is one. It is -1 then, so twice is fine. */
static inline void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
