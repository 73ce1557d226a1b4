/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors are values: a function that can fail returns 0 or -errno and fills the struct error that its caller
 * gave it. A caller that knows more about the object puts that in front with error_wrap(). The text is shown
 * once, by the command's main or by the Lua binding:
 *
 *     what was tried, on which object: the reason (a hint where one is known)
 */
#ifndef PROVIUM_UTIL_ERROR_H
#define PROVIUM_UTIL_ERROR_H

struct error {
	int code; /* a positive errno value; 0 if nothing went wrong */
	char text[1024];
};

/* Sets err to code and the formatted text. Returns -code. */
__attribute__((format(printf, 3, 4))) int error_set(struct error *err, int code, const char *format, ...);

/* The same, with ": " and strerror(code) after the text, and the name of the limit if that is what was met. */
__attribute__((format(printf, 3, 4))) int error_errno(struct error *err, int code, const char *format, ...);

/* Puts the formatted text and ": " in front of what err says. Returns -err->code. */
__attribute__((format(printf, 2, 3))) int error_wrap(struct error *err, const char *format, ...);

/* Adds the formatted text behind what err says. Returns -err->code. */
__attribute__((format(printf, 2, 3))) int error_append(struct error *err, const char *format, ...);

#endif
