/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROVIUM_INIT_ENTER_H
#define PROVIUM_INIT_ENTER_H

struct error;

/*
 * Enters the node's user namespace, and gives up what is the machine's. All mounts that are there are locked by that: the node can
 * neither take one away, nor look beneath it, nor make it writable (see mount_namespaces(7)). What is mounted later is its own.
 *
 * The memory of who calls this stays that of a program which was started outside: the node's root may not look into it as long
 * as it is not dumpable (see ptrace(2)).
 */
int enter_namespaces(struct error *err);

#endif
