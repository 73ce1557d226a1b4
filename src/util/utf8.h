/* SPDX-License-Identifier: GPL-2.0-only */
/* Bytes from anywhere as text: what is not UTF-8 becomes U+FFFD, or is shown by its number. */
#ifndef PROVIUM_UTIL_UTF8_H
#define PROVIUM_UTIL_UTF8_H

#include <stddef.h>

struct buffer;

/* How many bytes from the first on are valid UTF-8. */
size_t utf8_valid(const char *text, size_t size);

/*
 * Adds the text to the buffer, with U+FFFD in the place of each maximal subpart of an ill-formed sequence, as the Unicode
 * Standard recommends (section 3.9): a byte that fits nowhere costs one, and so does a character that was cut off.
 */
void utf8_repair(struct buffer *buffer, const char *text, size_t size);

/*
 * Adds the text to the buffer so that it does nothing to a terminal but to stand there, where it stands: control characters of
 * ASCII and bytes that are not UTF-8 as \x1b, those of Unicode, and what changes the direction of a text, as \u202e. What is in
 * keep, such as "\n\t", stays.
 */
void utf8_escape(struct buffer *buffer, const char *text, size_t size, const char *keep);

/* The size of the longest beginning of at most `most` bytes that does not end in the middle of a character. */
size_t utf8_cut(const char *text, size_t size, size_t most);

#endif
