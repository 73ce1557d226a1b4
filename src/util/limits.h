/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of a kind the kernel lets this process have. */
#ifndef PROVIUM_UTIL_LIMITS_H
#define PROVIUM_UTIL_LIMITS_H

#include <sys/resource.h>

struct error;

/*
 * Lets this process have as many files open as it may (the hard limit), for a lab of a thousand nodes has more than is usual.
 * Returns the limit as it was before the first call: what is usual stays so for commands in nodes.
 */
struct rlimit limits_raise_files(void);

/*
 * The same limit with the kernel's own as the hard one. For the root of a user namespace, who may not raise it (see setrlimit(2)) as
 * the init scripts of servers do. To set it takes CAP_SYS_RESOURCE.
 */
struct rlimit limits_most_files(struct rlimit usual);

/* EMFILE if so few files may be open that not even an empty lab could be. */
int limits_check_files(struct error *err);

/* After EMFILE, ENFILE, EFBIG: adds which limit that is and how to raise it; after any other code nothing. Returns -err->code. */
int limits_explain(struct error *err);
/* After fork() or clone() with EAGAIN, ENOSPC: the same. */
int limits_explain_process(struct error *err);
/* After mmap() of rings with EPERM: the same. */
int limits_explain_locked(struct error *err);

#endif
