/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is taken from QEMU before it begins. Guests and their disk images come from anywhere: whoever takes over a QEMU has a user
 * that is nobody else, with no rights, no network, no device but those of its guest, and no file but what everybody may read.
 */
#ifndef PROVIUM_NODE_QEMU_CONFINE_H
#define PROVIUM_NODE_QEMU_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Users and groups for QEMU, one a process: from what systemd's list of users and groups has as unused by everybody
 * (https://systemd.io/UIDS-GIDS/: 1879048192 to 2147352575).
 */
#define CONFINE_FIRST_UID 2000000000U
#define CONFINE_UIDS	  65536U

/* Another one with each call, which is no account's. It may be another process's: see confine(). */
uid_t confine_next_uid(void);

/*
 * Makes this process, just forked and root, one of that user, which is in use by no other process, or fails with EAGAIN. kvm: it
 * gets /dev/kvm. Returns 0 or an errno, and then what failed.
 */
int confine(uid_t uid, bool kvm, const char **what);

#endif
