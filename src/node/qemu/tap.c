// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "util/error.h"

#define TUN_DEVICE "/dev/net/tun"
/* The most that a TAP takes: the wire program, which counts, drops what is longer than the bridge's MTU; not the kernel. */
#define PORT_MTU 65521U

static int set_mtu(const char *name, uint32_t mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_mtu = (int)mtu };
	int code = 0;

	if (fd < 0)
		return errno;
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCSIFMTU, &request))
		code = errno;
	close(fd);
	return code;
}

int tap_open(const char *name, uint32_t mtu, bool offload, struct error *err)
{
	/* The header carries what is left to be done to a frame: without it every frame is whole, as on a wire. */
	struct ifreq request = { .ifr_flags =
					 (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (offload ? IFF_VNET_HDR : 0)) };
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int code;

	if (fd < 0) {
		error_errno(err, errno, "open " TUN_DEVICE);
		return err->code == ENOENT || err->code == ENODEV ? error_append(err, " (modprobe tun)") : -err->code;
	}
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	code = ioctl(fd, TUNSETIFF, &request) ? errno : set_mtu(name, mtu > PORT_MTU ? mtu : PORT_MTU);
	if (code) {
		close(fd);
		return error_errno(err, code, "make TAP device %s", name);
	}
	return fd;
}
