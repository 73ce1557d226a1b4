// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/memory.h"

/* The program, which the linker has put here. */
extern const char _binary_node_init_start[], _binary_node_init_end[];

/* Of kernels from 6.3 on, which may be told to make none that can be executed unless somebody says so. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#define FLAGS (MFD_CLOEXEC | MFD_ALLOW_SEALING)
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int make_file(void)
{
	int fd = memfd_create("provium-init", FLAGS | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("provium-init", FLAGS) : fd;
}

/*
 * The program as a file of the run, made once. It is sealed, also against taking its execution away from the nodes that are yet to
 * boot, where the kernel knows that; and its mode is set each time: a node that gets hold of it, as the executable of a process that was
 * about to become a command, may change that and nothing else.
 */
int program_open(struct error *err)
{
	static int program = -1;
	size_t size = (size_t)(_binary_node_init_end - _binary_node_init_start);

	if (program < 0) {
		int fd = make_file();

		if (fd < 0 || write(fd, _binary_node_init_start, size) != (ssize_t)size || fchmod(fd, 0500) ||
		    (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) && fcntl(fd, F_ADD_SEALS, SEALS))) {
			error_errno(err, errno, "make the program of a node's init");
			if (fd >= 0)
				close(fd);
			return -err->code;
		}
		program = fd;
	}
	return fchmod(program, 0500) || fchown(program, 0, 0) ? error_errno(err, errno, "make a node's init executable")
							      : program;
}

/* A node is a machine of its own: proxies, paths of libraries and secrets of the run have no meaning there. */
static bool is_for_nodes(const char *variable)
{
	static const char *const names[] = { "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=",
					     "TERM=", "LANG=", "LC_",	"TZ=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Ended by NULL; its strings are the run's own. */
char **program_environment(void)
{
	size_t all = 0, count = 0;
	char **environment;

	while (environ[all])
		all++;
	environment = memory_new((all + 1) * sizeof(*environment));
	for (size_t i = 0; i < all; i++)
		if (is_for_nodes(environ[i]))
			environment[count++] = environ[i];
	return environment;
}
