/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of QEMU's disk format as an empty overlay needs: https://qemu.readthedocs.io/en/v7.2.0/interop/qcow2.html. So a
 * guest's writes go to a file without a name, which no qemu-img could make.
 */
#ifndef PROVIUM_NODE_QEMU_QCOW2_H
#define PROVIUM_NODE_QEMU_QCOW2_H

#include <stdbool.h>

struct error;

/* Whether it is qcow2; everything else is taken as raw. One that stands on another file is refused. */
int qcow2_recognise(int disk, bool *is_qcow2, struct error *err);

/* Makes `overlay` an empty disk of the size of `disk`. Which disk lies below is said on QEMU's command line. */
int qcow2_make_overlay(int overlay, int disk, bool is_qcow2, struct error *err);

#endif
