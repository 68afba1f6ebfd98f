#!/usr/bin/env python3
"""in_image.py chroot|namespaces ROOT PROGRAM ARGUMENT ...: becomes PROGRAM as a pod runs it from its unpacked image: as the
image's user, without any capability, in ROOT, of which it can write /data only. Wants root.

namespaces  ROOT is mounted read-only; first process of a pid and mount namespace of its own, which the caller has made
chroot      for where nothing can be mounted: only the files' permissions keep the program from writing"""
import ctypes
import os
import pathlib
import subprocess
import sys

UID = 65532
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
DEVICES = ("null", "random", "urandom", "zero")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, timeout=60)


def mount_read_only(root):
    mount("--bind", root, root)
    mount("--bind", f"{root}/data", f"{root}/data")
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-t", "tmpfs", "-o", "mode=755", "dev", f"{root}/dev")
    for name in DEVICES:
        pathlib.Path(root, "dev", name).touch()
        mount("--bind", f"/dev/{name}", f"{root}/dev/{name}")
    mount("-o", "remount,bind,ro,nosuid,nodev", root)


def prctl(option, value):
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} {value}")


def become_user():
    """For good: nothing that is started gets more."""
    last_capability = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
    os.chroot(".")
    for capability in range(last_capability + 1):
        prctl(PR_CAPBSET_DROP, capability)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def writable():
    """What this process may write, as the kernel says it; but for devices and what processes say of themselves."""
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            folders[:] = sorted(set(folders) - {"dev", "proc"})
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            if os.access(path, os.W_OK):
                yield path


def main(way, root, program, *arguments):
    if way == "namespaces":
        mount_read_only(root)
    else:
        os.chmod(f"{root}/tmp", 0o755)  # Read-only in a pod.
    os.chdir(root)
    become_user()
    if (found := list(writable())) != ["/data"]:
        sys.exit(f"in_image: {program} could write {found}")
    os.execve(program, [program, *arguments], {})


if __name__ == "__main__":
    main(*sys.argv[1:])
