// SPDX-License-Identifier: GPL-2.0-only
#include "node/device.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/namespace.h"
#include "net/netlink.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"
#include "util/terminal.h"

/* The descriptors that the keeper has, beside 0 to 2. */
#define RUN_FD	3
#define HOST_FD 4

/*
 * In the switch each device has an index that none has had: by that the wire knows for whom it holds a frame, and one that comes back
 * must not get what was for it when it was another port. Far above those that the kernel gives out.
 */
#define FIRST_INDEX (1 << 24)
/* Longer than it waits for the kernel at most. */
#define RETURN_NS (15 * NS_PER_S)

struct device {
	struct node node; /* first */
	struct netlink *switch_nl;
	int host;
	struct link_state state; /* in the host */
	char port_name[IFNAMSIZ];
	pid_t keeper; /* 0: there is none */
	int run_fd;   /* its other end is the keeper's: when this closes, the device goes home */
	bool is_away;
	char transit[IFNAMSIZ]; /* the name under which it comes home: nobody else has it */
	struct wait_idler idler;
};

struct look {
	const char *name;
	struct link_state state;
	struct address address; /* that the host has on it */
	char master[IFNAMSIZ], upper[IFNAMSIZ];
};

static int look_at(void *context, struct error *err)
{
	struct look *look = context;
	struct netlink *nl;

	if (netlink_open(&nl, err))
		return -err->code;
	if (!link_look(nl, look->name, &look->state, err) &&
	    !address_find(nl, look->state.ifindex, &look->address, err) &&
	    !link_find_upper(nl, look->state.ifindex, look->upper, err) && look->state.master)
		link_name(nl, look->state.master, look->master, err);
	netlink_close(nl);
	return -err->code;
}

/* What the host needs it may not lose. */
static int check_use(const struct look *look, struct error *err)
{
	char text[ADDRESS_TEXT_SIZE];

	if (look->state.loopback)
		return error_set(err, EINVAL, "device %s is the loopback device, which leads nowhere", look->name);
	if (look->state.master)
		return error_set(err, EBUSY,
				 "device %s is a port of %s; take it out of that first: ip link set dev %s nomaster",
				 look->name, look->master, look->name);
	if (*look->upper)
		return error_set(err, EBUSY, "the host uses device %s: %s is on top of it", look->name, look->upper);
	if (look->address.family)
		return error_set(err, EBUSY,
				 "the host uses device %s: it has address %s on it; if it can do without: ip address "
				 "flush dev %s",
				 look->name, address_text(&look->address, text), look->name);
	return 0;
}

int device_open(const char *name, int host, struct netlink *switch_nl, struct node **node, struct error *err)
{
	struct look look = { .name = name };
	struct device *device;

	err->code = 0;
	if (namespace_visit(host, look_at, &look, err)) {
		if (err->code == ENODEV)
			error_set(err, ENODEV,
				  "there is no device %s in the network namespace that provium was started in", name);
		return -err->code;
	}
	if (check_use(&look, err))
		return -err->code;
	device = memory_new(sizeof(*device));
	device->node.kind = &node_kind_device;
	device->switch_nl = switch_nl;
	device->host = host;
	device->run_fd = -1;
	device->state = look.state;
	*node = &device->node;
	return 0;
}

/* In the host. It is not there if its owner is gone, or if somebody else has brought it home. */
static int settle_in(void *context, struct error *err)
{
	const struct device *device = context;
	struct error renaming = { 0 };
	struct netlink *nl;
	int ifindex;

	if (netlink_open(&nl, err))
		return -err->code;
	if (!link_index(nl, device->transit, &ifindex, err)) {
		if (link_rename(nl, ifindex, device->state.name, &renaming))
			error_append(&renaming, "; it is %s now", device->transit);
		if (!device->state.up || !link_set_up(nl, ifindex, true, err))
			*err = renaming;
	}
	netlink_close(nl);
	return err->code == ENODEV ? err->code = 0 : -err->code;
}

/* From the switch, wherever whoever began it has come. */
static int send_home(struct device *device, int host, struct error *err)
{
	struct netlink *nl;
	int ifindex;

	if (netlink_open(&nl, err))
		return -err->code;
	err->code = 0;
	if (!link_index(nl, device->port_name, &ifindex, err) &&
	    link_move(nl, ifindex, host, device->transit, device->state.ifindex, err) && err->code == EBUSY)
		link_move(nl, ifindex, host, device->transit, 0, err);
	netlink_close(nl);
	if (err->code && err->code != ENODEV)
		return -err->code;
	return namespace_visit(host, settle_in, device, err);
}

static void tell_failure(const struct device *device, const struct error *err)
{
	terminal_line(stderr, "provium: give device %s back: %s", device->state.name, err->text);
}

/*
 * Holds a device for as long as the run lives and wants it. Only descriptors that it needs: others would outlive the run. Under
 * a name of its own, so that who ends all processes of ours by name does not end this one.
 */
__attribute__((noreturn)) static void keep(struct device *device, int end)
{
	int run = fcntl(end, F_DUPFD, HOST_FD + 1), host = fcntl(device->host, F_DUPFD, HOST_FD + 1);
	int nothing = open("/dev/null", O_RDWR);
	struct error err = { 0 };
	sigset_t all;
	char byte;

	setsid();
	prctl(PR_SET_NAME, "pv-keeper");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (dup2(run, RUN_FD) < 0 || dup2(host, HOST_FD) < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0)
		_exit(1);
	syscall(SYS_close_range, HOST_FD + 1U, ~0U, 0U);
	while (read(RUN_FD, &byte, 1) < 0 && errno == EINTR)
		;
	if (send_home(device, HOST_FD, &err))
		tell_failure(device, &err);
	_exit(0);
}

static int start_keeper(struct device *device, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return error_errno(err, errno, "make a pipe");
	device->keeper = fork();
	if (device->keeper == 0)
		keep(device, ends[0]);
	close(ends[0]);
	if (device->keeper > 0) {
		device->run_fd = ends[1];
		return 0;
	}
	device->keeper = 0;
	close(ends[1]);
	return error_errno(err, errno, "start the keeper of device %s", device->state.name);
}

/* Whether it ended by itself, and not because somebody killed it: then it has seen to the device. */
static bool has_kept(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* While the run waits: a keeper that is gone would be missed when the run is killed, too. */
static void look_after(void *context)
{
	struct device *device = context;
	pid_t lost = device->keeper;
	struct error err;

	if (!lost || waitpid(lost, NULL, WNOHANG) != lost)
		return;
	close(device->run_fd);
	device->keeper = 0;
	if (start_keeper(device, &err))
		terminal_line(stderr,
			      "provium: the keeper of device %s, process %d, was killed; there is no other, so do not "
			      "kill the run as well: %s",
			      device->state.name, lost, err.text);
	else
		terminal_line(
			stderr,
			"provium: the keeper of device %s, process %d, was killed; process %d has taken its place",
			device->state.name, lost, device->keeper);
}

/* False if it was killed before it had seen to the device. If it cannot, it says why. */
static bool end_keeper(struct device *device)
{
	uint64_t deadline = clock_after(RETURN_NS);
	const struct timespec pause = { .tv_nsec = NS_PER_MS / 2 };
	pid_t keeper = device->keeper, ended;
	int status = 0;

	if (!keeper)
		return false;
	close(device->run_fd);
	device->keeper = 0;
	/* Also while the run is being interrupted. */
	while ((ended = waitpid(keeper, &status, WNOHANG)) == 0 && clock_now() < deadline)
		nanosleep(&pause, NULL);
	if (!ended)
		terminal_line(stderr, "provium: device %s is not back after %llu s; process %d is still about it",
			      device->state.name, RETURN_NS / NS_PER_S, keeper);
	return !ended || has_kept(status);
}

static void give_back(struct device *device)
{
	struct error err;

	if (!device->is_away)
		return;
	wait_remove_idler(&device->idler);
	if (!end_keeper(device) && send_home(device, device->host, &err))
		tell_failure(device, &err);
	device->is_away = false;
}

struct fetch {
	const struct device *device;
	int home; /* the switch */
	const char *port_name;
	int index;
};

static int fetch(void *context, struct error *err)
{
	const struct fetch *fetch = context;
	struct netlink *nl;

	if (netlink_open(&nl, err))
		return -err->code;
	link_move(nl, fetch->device->state.ifindex, fetch->home, fetch->port_name, fetch->index, err);
	netlink_close(nl);
	return -err->code;
}

static int check_mtu(const struct device *device, const struct node_nic *nic, struct error *err)
{
	if (device->state.mtu >= nic->mtu)
		return 0;
	return error_set(
		err, EINVAL, "device %s has an MTU of %u, and bridge `%s` one of %u: ip link set dev %s mtu %u",
		device->state.name, device->state.mtu, nic->bridge_name, nic->mtu, device->state.name, nic->mtu);
}

static int device_plug(struct node *base, struct node_nic *nic, struct error *err)
{
	struct device *device = (struct device *)base;
	struct fetch order = { .device = device, .port_name = nic->port_name };
	static int plugged;

	if (check_mtu(device, nic, err))
		return -err->code;
	order.home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (order.home < 0)
		return error_errno(err, errno, "open the network namespace of the run");
	snprintf(device->port_name, sizeof(device->port_name), "%s", nic->port_name);
	snprintf(device->transit, sizeof(device->transit), "pv%d_%d", getpid(), plugged);
	order.index = FIRST_INDEX + plugged++;
	/* The keeper first, so that there is no moment without. */
	if (start_keeper(device, err)) {
		close(order.home);
		return -err->code;
	}
	device->is_away = true;
	device->idler = (struct wait_idler){ .call = look_after, .context = device };
	wait_add_idler(&device->idler);
	if (namespace_visit(device->host, fetch, &order, err) ||
	    link_index(device->switch_nl, nic->port_name, &nic->ifindex, err)) {
		give_back(device);
		close(order.home);
		return -err->code;
	}
	close(order.home);
	*nic->guest_name = '\0';
	return 0;
}

static int device_unplug(struct node *base, const struct node_nic *nic, struct error *err)
{
	(void)nic;
	give_back((struct device *)base);
	return err->code = 0;
}

/* A physical port's partner sees its link go, the other end of a veth pair its carrier; a TAP's owner hears nothing more. */
static int device_set_link(struct node *base, const struct node_nic *nic, bool up, struct error *err)
{
	return link_set_up(((struct device *)base)->switch_nl, nic->ifindex, up, err);
}

static bool device_is_alive(struct node *base)
{
	(void)base;
	return true;
}

static void device_close(struct node *base)
{
	give_back((struct device *)base);
	free(base);
}

/* What asks more of a node is not offered for one that no script has in hand. */
const struct node_kind node_kind_device = {
	.name = "device",
	.plug = device_plug,
	.unplug = device_unplug,
	.set_link = device_set_link,
	.is_alive = device_is_alive,
	.close = device_close,
};
