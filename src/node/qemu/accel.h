/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How guests are run: by KVM, or by QEMU's translator (TCG). That /dev/kvm is there says little, for a nested host may have
 * one under which guests hang: so it is tried with a guest, once in the life of the host's kernel.
 */
#ifndef PROVIUM_NODE_QEMU_ACCEL_H
#define PROVIUM_NODE_QEMU_ACCEL_H

#include <stdbool.h>

struct error;

/*
 * wanted: "kvm", "tcg", or NULL for what the environment's PROVIUM_ACCEL says, or else a trial shows. A trial takes up to
 * 10 s; its result is kept in the cache, and told on stderr when it is not KVM.
 */
int accel_choose(const char *wanted, bool *kvm, struct error *err);

/* Boots the built-in guest under KVM: whether it comes as far as its init within the limit. *why: the reason if not. */
bool accel_try_kvm(unsigned int limit_s, const char **why);

#endif
