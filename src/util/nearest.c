// SPDX-License-Identifier: GPL-2.0-only
#include "util/nearest.h"

#include <ctype.h>
#include <string.h>

#define MAX_LENGTH 64

/* Letters and digits alone, in lower case: "exitCode" is as near to "exit_code" as can be. Returns the length. */
static size_t plain(const char *word, char result[static MAX_LENGTH])
{
	size_t length = 0;

	for (; *word && length < MAX_LENGTH - 1; word++)
		if (isalnum((unsigned char)*word))
			result[length++] = (char)tolower((unsigned char)*word);
	result[length] = '\0';
	return length;
}

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Of Levenshtein: how many letters are to be put in, taken away or changed. */
static size_t edits(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[MAX_LENGTH];

	for (size_t k = 0; k <= b_length; k++)
		row[k] = k;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t k = 1; k <= b_length; k++) {
			size_t above = row[k];

			row[k] = least(above + 1, row[k - 1] + 1, diagonal + (a[i - 1] != b[k - 1]));
			diagonal = above;
		}
	}
	return row[b_length];
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
	char word[MAX_LENGTH], other[MAX_LENGTH];
	size_t length, other_length, distance;

	if (!nearest->word)
		return;
	length = plain(nearest->word, word);
	other_length = plain(candidate, other);
	if (!length || !other_length)
		return;
	/* In halves, so that a part of a name (`code` of `exit_code`) is nearer than another name of one more letter. */
	distance = 2 * edits(word, length, other, other_length);
	if (distance && (strstr(other, word) || strstr(word, other)))
		distance = 1;
	if (distance > length || (nearest->found && distance >= nearest->distance))
		return;
	nearest->found = candidate;
	nearest->distance = distance;
}
