// SPDX-License-Identifier: GPL-2.0-only
/* QEMU's command line. A restored guest needs the same as the one before. */
#include <stdio.h>
#include <string.h>

#include "node/qemu/qemu.h"

/* What the translator keeps of what it translated. Without a limit it grows to a gigabyte. */
#define TRANSLATIONS_MIB 64
#define MIB		 (1024 * 1024)

/* Devices that are always there. Slots 0 and 1 are the machine's own. */
enum { SERIAL_SLOT = 2, RNG_SLOT, DISK_SLOT };
_Static_assert(DISK_SLOT < QEMU_FIRST_SLOT, "slots are given out once");

bool qemu_has_ports(const struct qemu_node *node)
{
	return strncmp(node->machine, "q35", 3) == 0 || strncmp(node->machine, "pc-q35", 6) == 0;
}

/* Without five-level page tables, which TCG's guests are slower with. */
static void add_machine(const struct qemu_node *node, struct arguments *arguments)
{
	arguments_add(arguments, "-name");
	arguments_add(arguments, "%s", node->name);
	/* The guest's memory is nobody's business, should QEMU crash where a program takes the cores, which heeds no limit. */
	arguments_add(arguments, "-machine");
	arguments_add(arguments, "%s,dump-guest-core=off", node->machine);
	arguments_add(arguments, "-accel");
	if (node->kvm)
		arguments_add(arguments, "kvm");
	else
		arguments_add(arguments, "tcg,tb-size=%d", TRANSLATIONS_MIB);
	arguments_add(arguments, "-cpu");
	arguments_add(arguments, "%s", node->kvm ? "host" : "max,la57=off");
	arguments_add(arguments, "-smp");
	arguments_add(arguments, "%u", node->cpus);
	arguments_add(arguments, "-m");
	arguments_add(arguments, "%lluM", (unsigned long long)((node->memory_bytes + MIB - 1) / MIB));
	if (!qemu_has_ports(node))
		return;
	for (unsigned int slot = QEMU_FIRST_SLOT; slot < QEMU_FIRST_SLOT + QEMU_PORTS; slot++) {
		arguments_add(arguments, "-device");
		arguments_add(arguments, "pcie-root-port,id=port%u,chassis=%u,addr=%#x", slot, slot, slot);
	}
}

static void add_kernel(const struct qemu_node *node, struct arguments *arguments)
{
	const struct image *image = &node->image;

	if (image->kernel < 0)
		return;
	arguments_add(arguments, "-kernel");
	arguments_add(arguments, "/proc/self/fd/%d", image->kernel);
	arguments_add_fd(arguments, image->kernel);
	arguments_add(arguments, "-append");
	/*
	 * A busy machine gives an emulated processor too few turns for the kernel's trial of its timer, which then panics (check_timer() in
	 * arch/x86/kernel/apic/io_apic.c). Under KVM the kernel leaves that out by itself.
	 */
	arguments_add(arguments, "%s%s", node->cmdline, node->kvm ? "" : " no_timer_check");
	if (image->initrd < 0)
		return;
	arguments_add(arguments, "-initrd");
	arguments_add(arguments, "/proc/self/fd/%d", image->initrd);
	arguments_add_fd(arguments, image->initrd);
}

/* The image below, which is only read, and the overlay above. What the overlay holds need not outlive a power cut. */
static void add_disk(const struct qemu_node *node, struct arguments *arguments)
{
	const struct image *image = &node->image;

	if (image->disk < 0)
		return;
	arguments_add(arguments, "-add-fd");
	arguments_add(arguments, "fd=%d,set=1", image->disk);
	arguments_add_fd(arguments, image->disk);
	arguments_add(arguments, "-add-fd");
	arguments_add(arguments, "fd=%d,set=2", image->overlay);
	arguments_add_fd(arguments, image->overlay);
	arguments_add(arguments, "-blockdev");
	/* Nothing below it, whatever it says by then; and the driver that it was judged for. */
	arguments_add(arguments,
		      "{\"driver\": \"%s\"%s, \"node-name\": \"base\", \"read-only\": true, \"file\": {\"driver\": "
		      "\"file\", \"filename\": \"/dev/fdset/1\", \"locking\": \"off\", \"read-only\": true}}",
		      image->disk_is_qcow2 ? "qcow2" : "raw", image->disk_is_qcow2 ? ", \"backing\": null" : "");
	arguments_add(arguments, "-blockdev");
	arguments_add(arguments, "driver=qcow2,node-name=disk,backing=base,discard=unmap,cache.no-flush=on,"
				 "file.driver=file,file.filename=/dev/fdset/2,file.locking=off,file.discard=unmap");
	arguments_add(arguments, "-device");
	arguments_add(arguments, "virtio-blk-pci,drive=disk,addr=%#x%s", DISK_SLOT,
		      image->kernel < 0 ? ",bootindex=1" : "");
}

static void add_socket(struct arguments *arguments, const char *id, int fd)
{
	arguments_add(arguments, "-chardev");
	arguments_add(arguments, "socket,id=%s,fd=%d", id, fd);
	arguments_add_fd(arguments, fd);
}

static void add_channels(int qmp_fd, int agent_fd, int console_fd, struct arguments *arguments)
{
	add_socket(arguments, "qmp", qmp_fd);
	arguments_add(arguments, "-mon");
	arguments_add(arguments, "chardev=qmp,mode=control");
	add_socket(arguments, "console", console_fd);
	arguments_add(arguments, "-serial");
	arguments_add(arguments, "chardev:console");
	arguments_add(arguments, "-device");
	arguments_add(arguments, "virtio-serial-pci,addr=%#x", SERIAL_SLOT);
	add_socket(arguments, "agent", agent_fd);
	arguments_add(arguments, "-device");
	arguments_add(arguments, "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
	arguments_add(arguments, "-device");
	arguments_add(arguments, "virtio-rng-pci,addr=%#x", RNG_SLOT);
}

void qemu_add_basics(struct arguments *arguments)
{
	/* A guest that reboots has lost what the lab set in it: it ends, and is reported as such. */
	static const char *const fixed[] = {
		"qemu-system-x86_64",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-no-reboot",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		arguments_add(arguments, "%s", fixed[i]);
}

void qemu_options(const struct qemu_node *node, int qmp_fd, int agent_fd, int console_fd, bool incoming,
		  struct arguments *arguments)
{
	qemu_add_basics(arguments);
	add_machine(node, arguments);
	add_kernel(node, arguments);
	add_disk(node, arguments);
	add_channels(qmp_fd, agent_fd, console_fd, arguments);
	if (incoming) {
		arguments_add(arguments, "-incoming");
		arguments_add(arguments, "defer");
	}
}
