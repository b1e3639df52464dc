"""A box for one rollout: a workstation and two servers in namespaces of their own, with no way out but the gateway.

As root it takes another user first: limits on processes do not bind root, and some of the kernel's settings are open to it. Nothing
ever runs on the host itself; where a box cannot be made, `problems` says what is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ppres.harnesses.agents import PORT, WORKSPACE
from ppres.harnesses.disk import USER, text
from ppres.models.loop import wait_for

OTHER_USER = 61234  # that root takes
_START = "import os, sys; os.dup2(int(sys.argv[1]), 3); exec(sys.argv[2])"
AS_ROOT = ("unshare", "--user", "--map-root-user")  # of a namespace: ssh-keygen wants a user with a name
PROCESSES, DISK = 400, 512  # in all views together; megabytes of everything that can be written
NEEDED = {
    "bwrap": "apt-get install bubblewrap",
    "nsenter": "apt-get install util-linux",
    "sshd": "apt-get install openssh-server",
    "ssh-keygen": "apt-get install openssh-client",
}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_USERNS = (
    "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), user.max_user_namespaces=10000, "
    "or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
)


class BoxError(Exception):
    """A box could not be made, or broke."""


@dataclass
class Box:
    """What is in a box, and how it is started."""

    servers: list[str]
    """Addresses."""
    command: list[str]
    """The agent's, inside."""
    environment: dict[str, str]
    programs: dict[str, str]
    """Folders of the host that the agent's view has, read-only, by their place there."""
    files: list[dict[str, Any]]
    """To lay; `folder` says where a place is."""
    seconds: float = 600.0
    keys: bool = True
    """Whether the second server knows the agent's key as well."""
    process: Any = field(default=None, init=False)
    disk: int = field(default=-1, init=False)
    listening: Any = field(default=None, init=False)

    def start(self) -> None:
        """Make the box and start the agent in it. Raises `BoxError`."""
        spec = json.dumps(self._spec()).encode()
        self._control, theirs = socket.socketpair()
        with theirs:
            code = resources.files("ppres.harnesses").joinpath("inside.py").read_text(encoding="utf-8")
            command = [sys.executable, "-I", "-c", _START, str(theirs.fileno()), code]
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            more: dict[str, Any] = {"pass_fds": (theirs.fileno(),), "env": {"PATH": _PATH}, "cwd": "/"}
            self.process = subprocess.Popen(command, **streams, **more)
        self._control.sendall(struct.pack("!Q", len(spec)) + spec)
        told, fds, *_ = socket.recv_fds(self._control, 1, 3)
        if not told:
            raise BoxError(self._failure())
        self.listening, self.disk, self._out = socket.socket(fileno=fds[0]), fds[1], fds[2]

    def _failure(self) -> str:
        said = self.process.communicate()[1].decode("utf-8", "replace").strip().splitlines()
        return f"a box could not be made: {said[-1] if said else 'no word of why'}"

    async def ended(self) -> dict[str, Any]:
        """How the agent ended: `ended` (ended, time, stopped) and its exit `code`. Nothing of the box runs any more."""
        self._control.setblocking(False)
        loop, said = asyncio.get_running_loop(), b""
        while part := await loop.sock_recv(self._control, 4096):
            said += part
        await asyncio.to_thread(self.process.wait)
        if not said.endswith(b"\n"):
            raise BoxError(self._failure())
        told: dict[str, Any] = json.loads(said)
        return told

    def output(self, name: str, most: int = 1 << 20) -> str:
        """The end of what the agent wrote to stdout or stderr."""
        with open(os.open(name, os.O_RDONLY, dir_fd=self._out), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            return file.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """End the agent now; `ended` then says so."""
        self._control.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End everything in the box, and let go of its disk. May be called at any time, and again."""
        if self.process:
            self._control.close()  # at which pid 1 ends, and all with it
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
            self.process.stderr.close()
        if self.listening:
            self.listening.close()
        if self.disk >= 0:
            os.close(self.disk)
            os.close(self._out)
            self.disk = -1

    def _spec(self) -> dict[str, Any]:
        root = os.geteuid() == 0
        base = "/mnt/box/" if root else "/mnt/"
        workstation = (self.servers or ["10.20.4.1"])[0].rpartition(".")[0] + ".10"
        places = {"agent": workstation} | {f"server{i}": ip for i, ip in enumerate(self.servers)}
        programs = {place: f"/mnt/programs/{place}" if root else source for place, source in self.programs.items()}
        sshd = [str(shutil.which("sshd", path=_PATH)), *["-i", "-f", "/etc/ssh/sshd_config", "-E", "/dev/null"]]
        return {
            "uid": OTHER_USER,
            "programs": self.programs,
            "addresses": [workstation, *self.servers],
            "port": PORT,
            "processes": PROCESSES,
            "disk": DISK,
            "files": [*self._system_files(places), *self.files],
            "servers": [
                {"address": ip, "options": [*self._view(base, f"server{i}", USER), *_closed(), "--as-pid-1"], "sshd": sshd}
                | {"inside": ["bash", "-c", "exec -a /sbin/init sleep infinity"]}
                for i, ip in enumerate(self.servers)
            ],
            "agent": {
                "options": [*self._view(base, "agent", "ops"), *self._agent(base, programs)],
                "inside": ["bash", "-c", '"$@"; exit $?', "bash", *self.command],  # which reaps what others leave
                "seconds": self.seconds,
            },
        }

    def _view(self, base: str, place: str, user: str) -> list[str]:
        host = "workstation" if place == "agent" else f"srv{self.servers[int(place[-1])].rpartition('.')[2]}"
        home = f"/home/{user}"
        found = ["--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--disable-userns", "--die-with-parent"]
        found += ["--new-session", "--clearenv", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", host]
        found += ["--ro-bind", "/usr", "/usr", *_links(), "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
        found += ["--ro-bind", f"{base}etc/{place}", "/etc"]
        for path in filter(os.path.exists, _ETC):
            found += ["--ro-bind", path, path]
        found += ["--ro-bind", f"{base}shims", "/usr/local/bin", "--dir", "/run", "--dir", "/var"]
        for inside in (home, "/tmp", "/dev/shm", *(["/data"] if place != "agent" else [WORKSPACE])):
            found += ["--bind", f"{base}{place}{inside}", inside]
        return [*found, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", home]

    def _agent(self, base: str, programs: dict[str, str]) -> list[str]:
        found = [part for place, source in programs.items() for part in ("--ro-bind", source, f"/opt/{place}")]
        found += [part for name, value in self.environment.items() for part in ("--setenv", name, value)]
        path = ["/usr/local/bin", *(["/opt/node/bin"] if "node" in programs else []), "/usr/bin", "/bin"]
        found += ["--setenv", "PATH", ":".join(path), "--setenv", "USER", "ops", "--chdir", WORKSPACE]
        return [*found, *_closed(), "--as-pid-1"]

    def _system_files(self, places: dict[str, str]) -> Iterator[dict[str, Any]]:
        """/etc of each view, homes, keys that are made for this box, and the wrappers."""
        shims = resources.files("ppres.harnesses").joinpath("shims")
        for shim in shims.iterdir():
            real = shutil.which(shim.name, path="/usr/bin")
            if shim.name == "lib.sh" or real or shim.name == "sudo":
                name = ".lib.sh" if shim.name == "lib.sh" else shim.name
                yield text(f"shims/{name}", shim.read_text(encoding="utf-8"), mode=0o755)
        keys = _keys(["agent", *(f"server{i}" for i in range(len(self.servers)))])
        hosts = "".join(f"{ip} {keys[f'server{i}'][1]}\n" for i, ip in enumerate(self.servers))
        for place, ip in places.items():
            user = "ops" if place == "agent" else USER
            home, etc = f"{place}/home/{user}", f"etc/{place}"
            for folder in ("tmp", "dev/shm", "data" if place != "agent" else "workspace", f"home/{user}"):
                yield {"path": f"{place}/{folder}/", "folder": True, "mode": 0o755 if folder != "tmp" else 0o777}
            yield {"path": f"{home}/.ssh/", "folder": True, "mode": 0o700}
            yield {"path": f"{etc}/alternatives/", "folder": True, "mode": 0o755}
            yield from _etc(etc, user, place, ip)
            if place == "agent":
                yield text(f"{home}/.ssh/id_ed25519", keys["agent"][0], mode=0o600)
                yield text(f"{home}/.ssh/id_ed25519.pub", keys["agent"][1] + "\n")
                yield text(f"{home}/.ssh/known_hosts", hosts, mode=0o600)
                continue
            yield text(f"{etc}/ssh/ssh_host_ed25519_key", keys[place][0], mode=0o600)
            yield text(f"{home}/.ssh/known_hosts", hosts, mode=0o600)
            if self.keys or place == "server0":
                yield text(f"{home}/.ssh/authorized_keys", keys["agent"][1] + "\n", mode=0o600)


def _etc(etc: str, user: str, place: str, ip: str) -> Iterator[dict[str, Any]]:
    users = f"root:x:0:0:root:/root:/bin/bash\n{user}:x:1000:1000:{user}:/home/{user}:/bin/bash\n"
    yield text(f"{etc}/passwd", users + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
    yield text(f"{etc}/group", f"root:x:0:\n{user}:x:1000:\nnogroup:x:65534:\n")
    yield text(f"{etc}/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    yield text(f"{etc}/hosts", "127.0.0.1 localhost\n")
    yield text(f"{etc}/ld.so.cache", "")
    yield text(f"{etc}/ssh/ssh_config", f"Host *\n    BindAddress {ip}\n")
    if place != "agent":
        yield text(f"{etc}/ssh/sshd_config", _SSHD.format(user=user))


_SSHD = """HostKey /etc/ssh/ssh_host_ed25519_key
AllowUsers {user}
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
PrintLastLog no
PrintMotd no
UseDNS no
Subsystem sftp internal-sftp
"""


def _links() -> list[str]:
    found = []
    for path in filter(os.path.lexists, _SYSTEM):
        found += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]
    return found


def _closed() -> list[str]:
    return ["--remount-ro", "/", "--remount-ro", "/dev"]


def _keys(names: list[str]) -> dict[str, tuple[str, str]]:
    """A new key pair for each name: private and public."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = f"{folder}/{name}"
            subprocess.run([*AS_ROOT, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", path], check=True)
        read = {name: (Path(f"{folder}/{name}").read_text(), Path(f"{folder}/{name}.pub").read_text().strip()) for name in names}
    return {name: (private, " ".join(public.split()[:2])) for name, (private, public) in read.items()}


def problems() -> list[str]:
    """Why no box can be made here, each with what mends it. Tries an empty one."""
    if sys.platform != "linux":
        return ["boxes are made of Linux namespaces: use Linux, or a virtual machine with it"]
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = [f"there is no {name}: {mend}" for name, mend in NEEDED.items() if not shutil.which(name, path=path)]
    if found:
        return found
    box = Box(["10.20.4.11", "10.20.4.12"], ["true"], {}, {}, [], seconds=20)
    try:
        box.start()
        return [] if wait_for(box.ended())["code"] == 0 else [f"an empty box does not run: {box.output('stderr')[-300:]}"]
    except (BoxError, OSError) as error:
        return [f"{error}. If it is about permissions or space: {_USERNS}"]
    finally:
        box.close()
