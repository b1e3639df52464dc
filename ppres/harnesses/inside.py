"""Pid 1 of a box, in namespaces of its own: makes its network, disks and views, runs the agent, ends with whoever started it.

A script of the standard library alone, started by `ppres.harnesses.box`. It reads one JSON object from stdin, hands back the
gateway's listening socket and two folders of the disk through its control socket, then one line of JSON when the agent has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any


def add_disk(place: str, megabytes: int) -> None:
    """A disk in memory. mount says itself what is wrong."""
    os.makedirs(place, exist_ok=True)
    options = f"nosuid,nodev,size={megabytes}m,nr_inodes=20000,mode=755"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
        sys.exit(1)


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
    add_disk(spec["box"], spec["disk"])
    os.chdir(spec["box"])
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
