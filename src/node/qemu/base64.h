/* SPDX-License-Identifier: GPL-2.0-only */
/* Base64 (RFC 4648), in which the guest agent's protocol carries bytes. */
#ifndef PROVIUM_NODE_QEMU_BASE64_H
#define PROVIUM_NODE_QEMU_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buffer.h"

/* Adds the text to the buffer. */
void base64_encode(struct buffer *text, const void *bytes, size_t size);

/* Adds the bytes to the buffer. False, and nothing added, for anything but base64 with its padding. */
bool base64_decode(struct buffer *bytes, const char *text, size_t size);

#endif
