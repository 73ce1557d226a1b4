// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into the uml test kernel, for processors with a large extended state (Intel AMX: 11 KB).
 *
 * Until 6.12 user-mode-linux saves the floating-point state of its processes in a buffer of fixed size
 * (arch/x86/um/os-Linux/registers.c). Linux lets PTRACE_GETREGSET of NT_X86_XSTATE read a part, but
 * PTRACE_SETREGSET must write the whole state (xstateregs_set() in arch/x86/kernel/fpu/regset.c), so that on such
 * a processor the kernel dies at its first process. Here what it writes is made whole: the rest is zero, and those parts
 * are marked as unused in the header.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_STATE    65536
#define XSTATE_BV    512      /* offset of the header's first word: a bit for each part that is in use */
#define LEGACY_PARTS 0x2ffULL /* x87, SSE, AVX, MPX, AVX-512, PKRU: what lies within the smaller buffer */

long ptrace(enum __ptrace_request request, ...);

static char whole[MAX_STATE];
static size_t whole_size;

static long call(long request, pid_t pid, void *addr, void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

static long set_xstate(pid_t pid, const struct iovec *part)
{
	struct iovec state = { .iov_base = whole, .iov_len = sizeof(whole) };
	uint64_t parts;

	if (!whole_size) {
		if (call(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &state) < 0)
			return -1;
		whole_size = state.iov_len;
	}
	if (part->iov_len >= whole_size)
		return call(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, (void *)part);
	memset(whole + part->iov_len, 0, whole_size - part->iov_len);
	memcpy(whole, part->iov_base, part->iov_len);
	memcpy(&parts, whole + XSTATE_BV, sizeof(parts));
	parts &= LEGACY_PARTS;
	memcpy(whole + XSTATE_BV, &parts, sizeof(parts));
	state.iov_len = whole_size;
	return call(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &state);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list args;
	pid_t pid;
	void *addr, *data;
	long word, status;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);
	if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE)
		return set_xstate(pid, data);
	/* As the C library has it: these three return what they read. */
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		status = call(request, pid, addr, &word);
		if (status < 0)
			return status;
		errno = 0;
		return word;
	}
	return call(request, pid, addr, data);
}
