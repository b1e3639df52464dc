"""A box for one rollout: a workstation and two servers in namespaces of their own, with no way out but the gateway.

As root it takes another user first: limits on processes do not bind root, and some of the kernel's settings are open to it. Nothing
ever runs on the host itself; where a box cannot be made, `problems` says what is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppres.harnesses.agents import HOME, PORT, WORKSPACE
from ppres.harnesses.disk import USER, text
from ppres.models.loop import wait_for

HERE = Path(__file__).parent
OTHER_USER = 61234  # that root takes
BOX = "/mnt"  # hidden by a file system of the box's own, in its mount namespace alone
PROCESSES, DISK = 400, 512  # in all views together; megabytes of everything that can be written
OWN = {"out": 16, f"agent{HOME}/.local": 128}  # besides, so that a full disk silences no harness: its streams, and what it keeps
NEEDED = {
    "bwrap": "apt-get install bubblewrap",
    "nsenter": "apt-get install util-linux",
    "sshd": "apt-get install openssh-server",
    "ssh-keygen": "apt-get install openssh-client",
}
_NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork")
_LIMITS = ("--kill-child", "--mount-proc", "prlimit", f"--nproc={PROCESSES}", "--core=0", "choom", "-n", "1000", "--")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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
    """To lay; in paths each view has a folder of its own: agent, server0, server1."""
    seconds: float = 600.0
    disk: int = field(default=-1, init=False)
    """A descriptor of the folder that holds all that can be written."""
    listening: Any = field(default=None, init=False)
    """The gateway's socket."""
    _process: Any = field(default=None, init=False)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def start(self) -> None:
        """Make the box and start the agent in it. Raises `BoxError`."""
        spec = json.dumps(self._spec()).encode()
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [*_in_namespaces(self.programs), str(theirs.fileno())]
            streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            self._process = subprocess.Popen(command, **streams, pass_fds=(theirs.fileno(),), env={"PATH": _PATH}, cwd="/")
        self._open.callback(self._end)
        self._open.enter_context(self._control)  # at whose end pid 1 ends, and all with it
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:  # else it says why
            stdin.write(spec)
        told, fds, *_ = socket.recv_fds(self._control, 1, 3)
        if not told:
            raise BoxError(self._failure())
        self.listening, self.disk, self._out = socket.socket(fileno=fds[0]), fds[1], fds[2]
        self._open.enter_context(self.listening)
        self._open.callback(os.close, self.disk)
        self._open.callback(os.close, self._out)

    def _failure(self) -> str:
        said = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return f"a box could not be made: {said[-1] if said else 'no word of why'}"

    def _end(self) -> None:
        with self._process.stderr:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    async def ended(self) -> dict[str, Any]:
        """How it `ended` (ended, time, stopped), its exit `code`, whether a disk of its own is `full`. Nothing runs any more."""
        self._control.setblocking(False)
        loop, said = asyncio.get_running_loop(), b""
        while part := await loop.sock_recv(self._control, 4096):
            said += part
        await asyncio.to_thread(self._process.wait)
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
        self._open.close()

    def _spec(self) -> dict[str, Any]:
        base = f"{BOX}/box/" if os.geteuid() == 0 else f"{BOX}/"
        workstation = (self.servers or ["10.20.4.1"])[0].rpartition(".")[0] + ".10"
        return {
            "box": base,
            "addresses": [workstation, *self.servers],
            "port": PORT,
            "disk": DISK,
            "own": OWN,
            "files": [*_wrappers(), *self._system_files(workstation), *self.files],
            "sshd": [str(shutil.which("sshd", path=_PATH)), "-i", "-f", "/etc/ssh/sshd_config", "-E", "/dev/null"],
            "servers": [
                {"address": ip, "options": [*self._view(base, f"server{i}", f"/home/{USER}", "/data"), *_CLOSED]}
                for i, ip in enumerate(self.servers)
            ],
            "agent": [*self._view(base, "agent", HOME, WORKSPACE), *self._own(), *_CLOSED],
            "command": self.command,
            "seconds": self.seconds,
        }

    def _view(self, base: str, place: str, home: str, work: str) -> Iterator[str]:
        """Options of bubblewrap for a view that has a home and a folder to work in."""
        host = "workstation" if place == "agent" else f"srv{self.servers[int(place[-1])].rpartition('.')[2]}"
        yield from ("--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--disable-userns", "--die-with-parent")
        yield from ("--new-session", "--clearenv", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", host)
        yield from ("--ro-bind", "/usr", "/usr", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev")
        for path in filter(os.path.lexists, ("/bin", "/sbin", "/lib", "/lib64", "/lib32")):
            yield from ("--symlink", os.readlink(path), path) if os.path.islink(path) else ("--ro-bind", path, path)
        yield from ("--ro-bind", f"{base}etc/{place}", "/etc")
        for path in filter(os.path.exists, ("/etc/ld.so.cache", "/etc/alternatives")):
            yield from ("--ro-bind", path, path)
        yield from ("--ro-bind", f"{base}shims", "/usr/local/bin", "--dir", "/run", "--dir", "/var")
        for inside in (home, "/tmp", "/dev/shm", work):
            yield from ("--bind", f"{base}{place}{inside}", inside)
        yield from ("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", home)

    def _own(self) -> Iterator[str]:
        """Options of the agent's view alone."""
        for place, source in self.programs.items():
            yield from ("--ro-bind", _reached(place, source), f"/opt/{place}")
        path = ["/usr/local/bin", *(["/opt/node/bin"] if "node" in self.programs else []), "/usr/bin", "/bin"]
        for name, value in (self.environment | {"PATH": ":".join(path), "USER": "ops"}).items():
            yield from ("--setenv", name, value)
        yield from ("--chdir", WORKSPACE)

    def _system_files(self, workstation: str) -> Iterator[dict[str, Any]]:
        """/etc of each view, homes, and keys that are made for this box."""
        secret, public = _keys()
        hosts = {f"server{i}": (ip, *_keys()) for i, ip in enumerate(self.servers)}
        known = "".join(f"{ip} {key}\n" for ip, _, key in hosts.values())
        for place, (ip, key, _) in {"agent": (workstation, "", ""), **hosts}.items():
            home, work = (HOME, WORKSPACE) if place == "agent" else (f"/home/{USER}", "/data")
            for folder, mode in ((f"{home}/.ssh", 0o700), (work, 0o755), ("/tmp", 0o777), ("/dev/shm", 0o755)):
                yield {"path": f"{place}{folder}/", "mode": mode}
            yield {"path": f"etc/{place}/alternatives/", "mode": 0o755}
            yield text(f"etc/{place}/ld.so.cache", "")
            for file in filter(Path.is_file, (HERE / "etc").rglob("*")):
                filled = file.read_text(encoding="utf-8").format(user=home.rpartition("/")[2], home=home, ip=ip)
                yield text(f"etc/{place}/{file.relative_to(HERE / 'etc')}", filled)
            yield text(f"{place}{home}/.ssh/known_hosts", known, mode=0o600)
            if place == "agent":
                yield text(f"{place}{home}/.ssh/id_ed25519", secret, mode=0o600)
                yield text(f"{place}{home}/.ssh/id_ed25519.pub", public + "\n")
                continue
            yield text(f"etc/{place}/ssh/ssh_host_ed25519_key", key, mode=0o600)
            yield text(f"{place}{home}/.ssh/authorized_keys", public + "\n", mode=0o600)


_CLOSED = ("--remount-ro", "/", "--remount-ro", "/dev", "--as-pid-1")


def _in_namespaces(programs: dict[str, str]) -> list[str]:
    """The command that starts pid 1 of a box: as root by another user, for whom is bound what only root may reach."""
    base = os.path.realpath(sys.base_prefix)
    python = os.path.relpath(os.path.realpath(getattr(sys, "_base_executable", sys.executable)), base)
    command = [*_NAMESPACES, *_LIMITS, f"{_reached('python', base)}/{python}", "-I", f"{_reached('ppres', str(HERE))}/inside.py"]
    if os.geteuid() != 0:
        return command
    steps = ["umask 022", f"mount -t tmpfs -o size=1m,mode=755 tmpfs {BOX}", f"mkdir -m 777 {BOX}/box"]
    for place, source in (programs | {"python": base, "ppres": str(HERE)}).items():
        steps.append(f"mkdir -p {BOX}/{place} && mount --rbind {shlex.quote(source)} {BOX}/{place}")
    steps.append(f'exec setpriv --reuid {OTHER_USER} --regid {OTHER_USER} --clear-groups "$@"')
    return ["unshare", "--mount", "sh", "-c", " && ".join(steps), "sh", *command]


def _reached(place: str, source: str) -> str:
    """Where a folder of the host is found by who makes the views."""
    return f"{BOX}/{place}" if os.geteuid() == 0 else source


def _wrappers() -> Iterator[dict[str, Any]]:
    """Programs that stand before those of the host: `shims`, of which each is there where the real one is."""
    for shim in (HERE / "shims").iterdir():
        if shim.name in ("lib.sh", "sudo") or shutil.which(shim.name, path="/usr/bin"):
            yield text(f"shims/{shim.name.replace('lib', '.lib')}", shim.read_text(encoding="utf-8"), mode=0o755)


def _keys() -> tuple[str, str]:
    """A new pair of keys, private and public. Raises `BoxError`."""
    with tempfile.TemporaryDirectory() as folder:
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", f"{folder}/key"]
        command = ["unshare", "--user", "--map-root-user", *make]  # it wants a user with a name
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BoxError(f"keys could not be made: {(done.stderr or done.stdout).strip()[-300:]}")
        return Path(f"{folder}/key").read_text(), " ".join(Path(f"{folder}/key.pub").read_text().split()[:2])


def problems() -> list[str]:
    """Why no box can be made here, each with what mends it. Tries an empty one."""
    if sys.platform != "linux":
        return ["boxes are made of Linux namespaces: use Linux, or a virtual machine with it"]
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if lacking := [f"there is no {name}: {mend}" for name, mend in NEEDED.items() if not shutil.which(name, path=path)]:
        return lacking
    box = Box(["10.20.4.11", "10.20.4.12"], ["true"], {}, {}, [], seconds=20)
    try:
        box.start()
        return [] if wait_for(box.ended())["code"] == 0 else [f"an empty box does not run: {box.output('stderr')[-300:]}"]
    except (BoxError, OSError) as error:
        return [f"{error}. If it is about permissions or space: {_USERNS}"]
    finally:
        box.close()
