"""The process in which a submission is executed: what it may reach, and its end."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib.font_manager  # which makes its list of fonts by another program, as no submission may

import ppres

ROOM = 256 * 2**20  # bytes that a submission may write in all
_ABOVE = str(Path(ppres.__file__).parent.parent)
_SPARE = 16 * 2**20  # bytes without which the disk is full


@contextlib.contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process for a submission, in a folder of its own, which is killed on leaving. Raises `OSError` where there is no room."""
    spare()
    with tempfile.TemporaryDirectory(prefix="ppres-grade-", ignore_cleanup_errors=True) as folder:
        room = _room(folder)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        own = {"PYTHONPATH": _ABOVE, "PPRES_STORE": f"{room}/store.sqlite", "HOME": room}
        own |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": room}
        own |= {"MPLBACKEND": "agg", "MPLCONFIGDIR": room}
        for fonts in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):  # from where `inside` takes it
            shutil.copy(fonts, folder)
        command = [*filled(way()[0], folder), sys.executable, "-m", "ppres.course.inside"]
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=room, env=kept | own,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield running
        finally:
            kill(running)
            running.wait()
            for pipe in (running.stdin, running.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]


def spare() -> None:
    """Raise `OSError` where the disk is full: no answer is wrong for that."""
    place = tempfile.gettempdir()
    if shutil.disk_usage(place).free < _SPARE:
        raise OSError(errno.ENOSPC, "the disk is full, so nothing can be graded; make room, or name another place in TMPDIR", place)


def _room(folder: str) -> str:
    """Where a submission may write."""
    room = f"{folder}/room"
    os.mkdir(room)
    return room


def filled(around: list[str], folder: str) -> list[str]:
    """A way, for a submission's folder."""
    return [part.replace("{room}", str(ROOM)).replace("{folder}", folder) for part in around]


def kill(running: subprocess.Popen[bytes]) -> None:
    """End it, and what it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.kill()


def readable() -> list[str]:
    """What a submission may read: Python, its packages, ppres, and the system's libraries."""
    places = [sys.prefix, sys.base_prefix, str(Path(ppres.__file__).parent), *(path for path in sys.path if "-packages" in path)]
    return [*dict.fromkeys(places), *filter(os.path.exists, ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts"))]


def ways() -> tuple[tuple[list[str], str], ...]:
    """What a process may be put into, and what does not confine it: bubblewrap, or a namespace by unshare."""
    bind = [part for place in readable() for part in ("--ro-bind", place, place)]
    links = [part for place in ("/bin", "/sbin") if os.path.islink(place) for part in ("--symlink", os.readlink(place), place)]
    whole = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    shared, own = (["--size", "{room}", "--tmpfs", place] for place in ("/dev/shm", "{folder}/room"))  # all that can be written
    whole += ["--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]  # bubblewrap's own, which nothing limits
    whole += ["--dev", "/dev", *shared, *bind, *links, "--ro-bind", "{folder}", "{folder}", *own]
    whole += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "{folder}/room", "--"]
    part = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc", "--"]
    part += ["sh", "-c", 'mount -t tmpfs -o size={room} none "$0" && cd "$0" && exec "$@"', "{folder}/room"]
    files = "files are kept from submissions by Python alone, which a determined one gets around"
    return (
        (whole, ""),
        (part, f"bubblewrap (0.7 or newer) does not run here: {files}"),
    )


@functools.cache
def way() -> tuple[list[str], str]:
    """Of these ways the first that runs here, or none."""
    nothing: tuple[list[str], str] = ([], "no namespaces here: files and network are kept from submissions by Python alone")
    around, lacks = next((told for told in ways() if runs(told[0])), nothing)
    more = "" if bounded() else "no filter of system calls here: further processes and their memory are kept by Python alone"
    return around, "; ".join(filter(None, (lacks, more)))


@functools.cache
def bounded() -> bool:
    """Whether the kernel refuses further processes, and memory that no limit counts."""
    own = os.environ | {"PYTHONPATH": _ABOVE}
    refuse = [sys.executable, "-c", "from ppres.course import syscalls; syscalls.refuse()"]
    return subprocess.run(refuse, env=own, capture_output=True, timeout=120, check=False).returncode == 0


def runs(around: list[str]) -> bool:
    """Whether a process can be put into this here."""
    if not shutil.which(around[0]):
        return False
    with tempfile.TemporaryDirectory() as folder:
        _room(folder)
        command = [*filled(around, folder), sys.executable, "-c", "import pandas"]
        return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
