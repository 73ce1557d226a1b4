# SPDX-License-Identifier: GPL-2.0-only
#
# A process that passes for a lab: impostor.py TEXT PID_FILE TRAIT...
#
# It publishes the description in the file TEXT (one of `provium ps --json`) as its own, and writes its pid to PID_FILE once it does.
# Without a trait nothing tells it from the lab that it has the description from. Each trait is one difference.
import ctypes
import json
import os
import signal
import struct
import sys
import time

NOBODY = 65534
SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID = 13, 14
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, MNT_DETACH = 0x20000, 0x20000000, 0x10000000, 2
F_ADD_SEALS, ALL_SEALS = 1033, 15
PR_SET_PDEATHSIG = 1
CAPABILITY_VERSION, CAP_SYS_ADMIN = 0x20080522, 21
NAME = "/memfd:provium-lab (deleted)"

libc = ctypes.CDLL(None, use_errno=True)


def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def hold_maps(ids):
    for name, number in ids.items():
        attribute = ctypes.create_string_buffer(struct.pack("<I60x", number))
        command = BPF_PROG_GET_FD_BY_ID if name.startswith("wire_") else BPF_MAP_GET_FD_BY_ID
        must(libc.syscall(SYS_BPF, command, attribute, 64))


def drop_sys_admin():
    header, sets = struct.pack("<Ii", CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    must(libc.capget(header, sets))
    words = [word & ~(1 << CAP_SYS_ADMIN) if i < 3 else word for i, word in enumerate(struct.unpack("<6I", sets.raw))]
    must(libc.capset(header, struct.pack("<6I", *words)))


# Of a file system that nobody sees any more, which is what a memory file's link looks like, too.
def open_on_lost_tmpfs(make):
    must(libc.unshare(CLONE_NEWNS))
    must(libc.mount(b"none", b"/", None, 0x44000, None))
    must(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
    make("/mnt" + NAME)
    fd = os.open("/mnt" + NAME, os.O_RDWR)
    must(libc.umount2(b"/mnt", MNT_DETACH))
    return fd


def publish(text, traits):
    if "fifo" in traits:
        return open_on_lost_tmpfs(os.mkfifo)
    if "tmpfs" in traits:
        fd = open_on_lost_tmpfs(lambda path: os.close(os.open(path, os.O_CREAT, 0o644)))
    else:
        fd = os.memfd_create("provium-lab", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, text.encode() + b" " * ((16 << 20) if "large" in traits else 0))
    if "files_uid" in traits:
        os.fchown(fd, NOBODY, -1)
    if not {"tmpfs", "unsealed"} & set(traits):
        must(libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS))
    return fd


def main(source, pid_file, *traits):
    if "pidns" in traits:
        must(libc.unshare(CLONE_NEWPID))
        if os.fork():
            os.wait()
            return
    lab = json.load(open(source))
    ready = open(pid_file, "w")
    # /proc is the machine's, whatever the namespace.
    lab["pid"] = pid = int(os.readlink("/proc/self"))
    if "node" in traits:
        lab["labs"] = [{"name": "", "bridges": [], "nodes": [dict(lab["labs"][0]["nodes"][0], pid=start_node())]}]
    if "no_maps" not in traits:
        hold_maps(lab["bpf"])
    if "other_maps" in traits:
        lab["bpf"]["control"] = lab["bpf"]["links"]
    publish(json.dumps(lab), traits)
    if "userns" in traits:
        must(libc.unshare(CLONE_NEWUSER))
        open("/proc/self/uid_map", "w").write("0 0 1")
    if "capability" in traits:
        drop_sys_admin()
    for i, trait in enumerate(("real_uid", "effective_uid", "saved_uid")):
        if trait in traits:
            os.setresuid(*[NOBODY if i == k else -1 for k in range(3)])
    print(pid, file=ready, flush=True)
    time.sleep(3600)


# What is to be entered.
def start_node():
    pid = os.fork()
    if pid == 0:
        must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        time.sleep(3600)
    return pid


main(*sys.argv[1:])
