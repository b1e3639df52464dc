"""The process in which a submission is executed: what it may reach, and its end."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process for a submission, in a folder of its own, which is killed on leaving."""
    with tempfile.TemporaryDirectory(prefix="ppres-grade-", ignore_cleanup_errors=True) as folder:
        around = [part.replace("{folder}", folder) for part in way()[0]]
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        own = {"PYTHONPATH": str(Path(ppres.__file__).parent.parent), "PPRES_STORE": f"{folder}/store.sqlite", "HOME": folder}
        own |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder}
        own |= {"MPLBACKEND": "agg", "MPLCONFIGDIR": folder}
        for fonts in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):  # else each process would look for fonts
            shutil.copy(fonts, folder)
        command = [*around, sys.executable, "-m", "ppres.course.inside"]
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, env=kept | own,
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


@functools.cache
def way() -> tuple[list[str], str]:
    """What a process is put into here, and what does not confine it: bubblewrap, a namespace by unshare, or nothing."""
    bind = [part for place in readable() for part in ("--ro-bind", place, place)]
    links = [part for place in ("/bin", "/sbin") if os.path.islink(place) for part in ("--symlink", os.readlink(place), place)]
    whole = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    whole += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *bind, *links]
    whole += ["--bind", "{folder}", "{folder}", "--chdir", "{folder}", "--"]
    part = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc", "--"]
    ways = (
        (whole, ""),
        (part, "bubblewrap does not run here: files are kept from submissions by Python alone, which a determined one gets around"),
    )
    for around, lacks in ways:
        if shutil.which(around[0]) and _runs(around):
            return around, lacks
    return [], "no namespaces here: files, network and further processes are kept from submissions by Python alone"


def _runs(around: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [*(part.replace("{folder}", folder) for part in around), sys.executable, "-c", "import pandas"]
        return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
