// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/keyctl.h>

#define KVM_DEVICE "/dev/kvm"
/* How far apart two runs begin to look. */
#define UIDS_A_RUN 251U

uid_t confine_next_uid(void)
{
	static unsigned int number;
	uid_t uid;

	if (!number)
		number = (unsigned int)getpid() * UIDS_A_RUN;
	do
		uid = CONFINE_FIRST_UID + number++ % CONFINE_UIDS;
	while (getpwuid(uid) || getgrgid(uid));
	return uid;
}

static int make_device(const char *path, dev_t device, mode_t mode, uid_t owner)
{
	return mknod(path, S_IFCHR | mode, device) || chown(path, owner, owner) ? errno : 0;
}

/*
 * A /dev with what every program may expect. KVM's device is made anew in it, as its owner's alone: so whoever the machine lets
 * have its own does not matter, and nobody else gets it.
 */
static int make_devices(uid_t uid, bool kvm)
{
	struct stat device;
	int code;

	if ((kvm && stat(KVM_DEVICE, &device)) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"))
		return errno;
	if ((code = make_device("/dev/null", makedev(1, 3), 0666, 0)) ||
	    (code = make_device("/dev/zero", makedev(1, 5), 0666, 0)) ||
	    (code = make_device("/dev/random", makedev(1, 8), 0444, 0)) ||
	    (code = make_device("/dev/urandom", makedev(1, 9), 0444, 0)))
		return code;
	return kvm ? make_device(KVM_DEVICE, device.st_rdev, 0600, uid) : 0;
}

/*
 * The kernel counts the processes of a user, in all process namespaces, and refuses one above the limit: with a limit of two,
 * there is room for another one if there is but this. Whoever claims the user later finds this one. So the claim is the
 * process itself: there is nothing to lock, and nothing to clean up.
 */
static int claim_user(const struct rlimit *before)
{
	struct rlimit two = { .rlim_cur = 2, .rlim_max = before->rlim_max };
	pid_t other;

	if (setrlimit(RLIMIT_NPROC, &two))
		return errno;
	/* As fork(), but without what the C library does around it, which needs locks that other threads may have held. */
	other = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (other == 0)
		_exit(0);
	if (other < 0)
		return errno;
	while (waitpid(other, NULL, 0) < 0 && errno == EINTR)
		;
	return setrlimit(RLIMIT_NPROC, before) ? errno : 0;
}

static int change_user(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		return errno;
	return 0;
}

/* What a change of user leaves: rights that a program could inherit or win back, and keys of root's session. */
static int drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &header, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	/* A kernel without keys has none to take away. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return errno;
	return 0;
}

int confine(uid_t uid, bool kvm, const char **what)
{
	const struct rlimit no_core = { 0 };
	struct rlimit processes;
	int code;

	*what = "leave the run's namespaces";
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) || chdir("/"))
		return errno;
	*what = "make its /dev";
	umask(0);
	code = make_devices(uid, kvm);
	umask(077);
	if (code)
		return code;
	*what = "set its limits";
	if (setrlimit(RLIMIT_CORE, &no_core) || getrlimit(RLIMIT_NPROC, &processes))
		return errno;
	*what = "become a user without rights";
	code = change_user(uid);
	if (code)
		return code;
	*what = "become a user of its own";
	code = claim_user(&processes);
	if (code)
		return code;
	*what = "give up all rights";
	return drop_rights();
}
