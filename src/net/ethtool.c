// SPDX-License-Identifier: GPL-2.0-only
#include "net/ethtool.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "util/error.h"
#include "util/memory.h"

#define BLOCK_BITS 32U /* of struct ethtool_set_features_block */

static int ask(int socket_fd, const char *name, void *question)
{
	struct ifreq request = { .ifr_data = question };

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	return ioctl(socket_fd, SIOCETHTOOL, &request) < 0 ? errno : 0;
}

/* A kernel, or a device, that does not know a command has nothing to be changed by it. */
static int command(int socket_fd, const char *name, uint32_t number)
{
	struct ethtool_value value = { .cmd = number, .data = 0 };
	int code = ask(socket_fd, name, &value);

	return code == EOPNOTSUPP ? 0 : code;
}

/* The names of the features that this kernel knows, in the order of their numbers. The caller frees them. */
static int read_names(int socket_fd, const char *name, struct ethtool_gstrings **names)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} question = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };
	int code = ask(socket_fd, name, &question);

	*names = NULL;
	if (code)
		return code;
	*names = memory_new(sizeof(**names) + (size_t)question.count * ETH_GSTRING_LEN);
	**names = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
					     .string_set = ETH_SS_FEATURES,
					     .len = question.count };
	return ask(socket_fd, name, *names);
}

static bool is_one_of(const uint8_t *name, const char *const *features)
{
	while (*features && strncmp((const char *)name, *features, ETH_GSTRING_LEN) != 0)
		features++;
	return *features != NULL;
}

/* Those that the kernel knows. The list ends with NULL. */
static int switch_off(int socket_fd, const char *name, const char *const *features)
{
	struct ethtool_gstrings *names;
	struct ethtool_sfeatures *change;
	int code = read_names(socket_fd, name, &names);

	if (!code) {
		uint32_t blocks = (names->len + BLOCK_BITS - 1) / BLOCK_BITS;

		change = memory_new(sizeof(*change) + blocks * sizeof(change->features[0]));
		change->cmd = ETHTOOL_SFEATURES;
		change->size = blocks;
		for (uint32_t i = 0; i < names->len; i++)
			if (is_one_of(names->data + (size_t)i * ETH_GSTRING_LEN, features))
				change->features[i / BLOCK_BITS].valid |= 1U << i % BLOCK_BITS;
		code = ask(socket_fd, name, change);
		free(change);
	}
	free(names);
	return code;
}

static int open_socket(struct error *err)
{
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return socket_fd < 0 ? error_errno(err, errno, "open a socket for ethtool") : socket_fd;
}

int ethtool_single_frames(const char *name, struct error *err)
{
	static const uint32_t groups[] = { ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO };
	/* For these there is no command of their own. */
	static const char *const features[] = { "tx-udp-segmentation", "tx-sctp-segmentation", "tx-checksum-sctp",
						NULL };
	int socket_fd = open_socket(err);
	int code = 0;

	if (socket_fd < 0)
		return socket_fd;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && !code; i++)
		code = command(socket_fd, name, groups[i]);
	if (!code)
		code = switch_off(socket_fd, name, features);
	close(socket_fd);
	return code ? error_errno(err, code, "turn off the offloads of device %s", name) : 0;
}

static int command_alone(const char *name, uint32_t number, const char *what, struct error *err)
{
	int socket_fd = open_socket(err);
	int code;

	if (socket_fd < 0)
		return socket_fd;
	code = command(socket_fd, name, number);
	close(socket_fd);
	return code ? error_errno(err, code, "%s of device %s", what, name) : 0;
}

int ethtool_fill_checksums(const char *name, struct error *err)
{
	return command_alone(name, ETHTOOL_STXCSUM, "turn off the checksum offload", err);
}

int ethtool_settle_carrier(const char *name, struct error *err)
{
	/* linkwatch_sync_dev() in net/core/link_watch.c: whoever asks for the carrier is told what is in force. */
	return command_alone(name, ETHTOOL_GLINK, "settle the carrier", err);
}
