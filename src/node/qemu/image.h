/* SPDX-License-Identifier: GPL-2.0-only */
/* The files that a guest boots from, open, and such that a QEMU without rights may read them. None is ever written. */
#ifndef PROVIUM_NODE_QEMU_IMAGE_H
#define PROVIUM_NODE_QEMU_IMAGE_H

#include <stdbool.h>

struct error;
struct node_config;

struct image {
	bool built_in;
	int kernel, initrd; /* -1: none */
	int disk;	    /* -1: none */
	bool disk_is_qcow2;
	int overlay; /* takes what the guest writes; a file without a name */
};

/* Without a kernel and a disk in the configuration: the built-in guest. Close it also after a failure. */
int image_open(const struct node_config *config, struct image *image, struct error *err);
void image_close(struct image *image);

/* An overlay that is as empty as at first, or holds what the file at `from` has from its position on. */
int image_renew_overlay(struct image *image, int from, struct error *err);

/* Copies from one descriptor to the other, from their positions on, leaving holes where there are only zeros. */
int copy_file(int to, int from, struct error *err);

/* Where tools/mkguest and tools/setup keep what they fetched. */
const char *image_cache(void);

/* A file of the built-in guest there: "kernel", "initrd" or "packages". path is of PATH_MAX bytes. */
void image_built_in(char *path, const char *name);

#endif
