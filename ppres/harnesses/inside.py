"""Pid 1 of a box: makes its network, its disks and its three views, runs the agent, and ends with whoever started it.

A script of the standard library alone, started by `ppres.harnesses.box`. It reads one JSON object from stdin, hands back the
gateway's listening socket and two folders of the disk through its control socket, then one line of JSON when the agent has ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_ALL = 0x00020000, 0x7C020000  # and uts, ipc, user, pid, net
ROOT = "/mnt"  # hidden by a file system of the box's own, in its mount namespace alone


def unshare(namespaces: int) -> None:
    """New namespaces for this process: what os.unshare is from Python 3.12 on."""
    if LIBC.unshare(namespaces):
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")


def mount(*asked: str) -> None:
    """mount(8), which says itself what is wrong."""
    if subprocess.run(["mount", *asked], check=False).returncode:
        sys.exit(1)


def add_disk(place: str, megabytes: int) -> None:
    """A disk in memory."""
    os.makedirs(place, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"nosuid,nodev,size={megabytes}m,nr_inodes=20000,mode=755", "tmpfs", place)


def leave_root(uid: int, programs: dict[str, str]) -> None:
    """Take another user; what only root can reach is bound where that user can."""
    unshare(NEW_MOUNTS)
    mount("--make-rprivate", "/")
    add_disk(ROOT, 1)
    for place, source in programs.items():
        os.makedirs(f"{ROOT}/programs/{place}", 0o755)
        mount("--rbind", source, f"{ROOT}/programs/{place}")
    os.mkdir(f"{ROOT}/box")
    os.chmod(f"{ROOT}/box", 0o777)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    LIBC.prctl(4, 1, 0, 0, 0)  # dumpable: else its maps belong to root


def enter_namespaces() -> None:
    """New namespaces, of which this process, forked, is pid 1 and root."""
    uid, gid = os.getuid(), os.getgid()
    unshare(NEW_ALL)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{file}", "w") as opened:
            opened.write(text)
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)  # with its parent
    mount("--make-rprivate", "/")
    mount("-t", "proc", "-o", "nosuid,nodev", "proc", "/proc")


def limit(processes: int) -> None:
    """Limits that hold for all that comes of this process."""
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/oom_score_adj", "w") as opened:
        opened.write("1000")


def network(addresses: list[str]) -> None:
    """Loopback, with addresses of its own; there is no other network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for i, address in enumerate(["127.0.0.1", *addresses]):
            name = b"lo:%d" % i if i else b"lo"
            set_address, set_mask, set_flags = 0x8916, 0x891C, 0x8914
            for request, value in ((set_address, socket.inet_aton(address)), (set_mask, b"\xff\xff\xff\0" if i else b"\xff\0\0\0")):
                fcntl.ioctl(control, request, struct.pack("16sH2s4s8x", name, socket.AF_INET, b"", value))
            fcntl.ioctl(control, set_flags, struct.pack("16sH14x", name, 0x1 | 0x40))  # up, running


def lay(files: list[dict[str, Any]]) -> None:
    """Write files, each a head that a hole follows up to the size; and folders, whose names end in a slash."""
    for file in files:
        os.makedirs(os.path.dirname(file["path"]), exist_ok=True)
        if "head" in file:
            with open(file["path"], "wb") as opened:
                opened.write(file["head"].encode("latin-1"))
                opened.truncate(file.get("size", opened.tell()))
        os.chmod(file["path"], file["mode"])
        if "modified" in file:
            os.utime(file["path"], (file["modified"], file["modified"]))


def view(options: list[str], inside: list[str], out: Any = subprocess.DEVNULL, err: Any = subprocess.DEVNULL) -> Any:
    """A bubblewrap view: its process, and the number of the first process in it. No option shows in a list of processes."""
    end, start = os.pipe()
    with os.fdopen(start, "wb") as given:
        given.write(b"".join(option.encode() + b"\0" for option in options))
    told, tell = os.pipe()
    command = ["bwrap", "--args", str(end), "--info-fd", str(tell), *inside]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, pass_fds=(end, tell))
    os.close(end)
    os.close(tell)
    with os.fdopen(told) as answer:
        said = answer.read()
    if not said:
        raise OSError(f"bubblewrap ended with {process.wait()}, and made no view")
    return process, json.loads(said)["child-pid"]


def serve(waiting: socket.socket, pid: int, sshd: list[str]) -> None:
    """Answer every connection to a server by sshd, in the view whose first process is `pid`."""
    command = ["nsenter", "-t", str(pid), "-U", "-m", "-u", "-i", "-p", "--preserve-credentials", "--wd=/", *sshd]
    while True:
        connection, _ = waiting.accept()
        given = connection.fileno()
        subprocess.Popen(command, stdin=given, stdout=given, stderr=subprocess.DEVNULL)
        connection.close()


def watch(process: subprocess.Popen[bytes], control: socket.socket, seconds: float) -> str:
    """Wait for the agent: until it ends, its time is over, or whoever wants it is gone. Reaps what is left behind."""
    poll, until = select.poll(), time.monotonic() + seconds
    poll.register(control, select.POLLIN | select.POLLHUP)
    while time.monotonic() < until:
        if poll.poll(20):
            return "stopped"
        if process.poll() is not None:
            return "ended"
    return "time"


def main(control: socket.socket, spec: dict[str, Any]) -> None:
    """The whole life of a box."""
    os.umask(0o022)
    box = ROOT
    if os.getuid() == 0:
        leave_root(spec["uid"], spec["programs"])
        box = f"{ROOT}/box"
    enter_namespaces()
    limit(spec["processes"])
    add_disk(box, spec["disk"])
    os.chdir(box)
    for folder, megabytes in spec["own"].items():
        add_disk(folder, megabytes)
    network(spec["addresses"])
    lay(spec["files"])
    with socket.create_server(("127.0.0.1", spec["port"]), backlog=64) as gateway:
        socket.send_fds(control, [b"+"], [gateway.fileno(), os.open(".", os.O_RDONLY), os.open("out", os.O_RDONLY)])
    for server in spec["servers"]:
        _, pid = view(server["options"], ["bash", "-c", "exec -a /sbin/init sleep infinity"])
        waiting = socket.create_server((server["address"], 22), backlog=64)
        threading.Thread(target=serve, args=(waiting, pid, spec["sshd"]), daemon=True).start()
    with open("out/stdout", "wb") as out, open("out/stderr", "wb") as err:
        reaping = ["bash", "-c", '"$@"; exit $?', "bash"]  # of what others leave
        process, _ = view(spec["agent"], [*reaping, *spec["command"]], out, err)
    ended = watch(process, control, spec["seconds"])
    for folder, folders, names in os.walk("."):  # readable, whatever the agent made of its rights
        for name in (*folders, *names):
            if not os.path.islink(path := os.path.join(folder, name)):
                os.chmod(path, os.stat(path).st_mode | 0o700)
    full = any(os.statvfs(folder).f_bavail == 0 for folder in spec["own"])
    control.sendall(json.dumps({"ended": ended, "code": process.poll(), "full": full}).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.load(sys.stdin))
