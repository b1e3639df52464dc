"""What the kernel refuses to a submission's process, whoever asks for it there."""

import subprocess
import sys

import pytest

from ppres.course import box

# Each attempt, and how it ends: the error's number, or 0. A thread that was there before is refused as well.
ATTEMPTS = """
import ctypes, os, subprocess, sys, threading
libc, told, go = ctypes.CDLL(None, use_errno=True), {}, threading.Event()
def ends(name, attempt, *given):
    ctypes.set_errno(0)
    try:
        attempt(*given)
        told[name] = ctypes.get_errno()
    except OSError as error:
        told[name] = error.errno
def early():
    go.wait(30)
    ends("earlier thread", os.fork)
thread = threading.Thread(target=early)
thread.start()
from ppres.course import syscalls
syscalls.refuse()
go.set()
thread.join()
ends("fork", os.fork)
ends("memory of files", os.memfd_create, "m")
ends("spawn", os.posix_spawn, "/bin/true", ["true"], {})
ends("vfork", subprocess.run, ["/bin/true"])
ends("shared segment", libc.shmget, 0, 4096, 0o1600)
ends("namespace", libc.unshare, 0x10000000)
ends("traced", libc.ptrace, 0, 0, None, None)
ends("other's memory", libc.process_vm_writev, os.getppid(), None, 0, None, 0, 0)
ends("clone3", libc.syscall, 435, None, 0)
ends("undo", libc.prctl, 22, 0, None)
import numpy, pandas
thread = threading.Thread(target=lambda: ends("thread", lambda: numpy.ones((300, 300)) @ numpy.ones((300, 300))))
thread.start()
thread.join()
print(told, flush=True)
os.execv(sys.executable, [sys.executable, "-S", "-c", "import os\\nos.fork()"])
"""
REFUSED = ("earlier thread", "fork", "memory of files", "spawn", "vfork", "shared segment", "namespace", "traced", "other's memory")


@pytest.mark.skipif(not box.bounded(), reason=box.way()[1])
def test_further_processes_and_memory_that_no_limit_counts_are_refused_for_good():
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == f"{dict.fromkeys(REFUSED, 1) | {'clone3': 38, 'undo': 22, 'thread': 0}}\n", done.stderr
    assert "PermissionError" in done.stderr  # of the program that it has become


@pytest.mark.parametrize("around", [around for around, _ in box.ways()], ids=lambda around: around[0])
def test_there_is_no_process_beside_it_that_could_be_taken_over(around, tmp_path):
    if not box.runs(around):
        pytest.skip("it does not run here")
    (tmp_path / "room").mkdir()
    look = (
        "import os; print({id: os.listdir('/proc/' + id) for id in os.listdir('/proc') if id.isdigit() and id != str(os.getpid())})"
    )
    command = [*box.filled(around, str(tmp_path)), sys.executable, "-c", look]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == {"bwrap": "{'1': []}\n", "unshare": "{}\n"}[around[0]]


def test_where_the_kernel_refuses_nothing_that_is_said(monkeypatch):
    monkeypatch.setattr(box, "bounded", lambda: False)
    assert box.way.__wrapped__()[1].endswith("further processes and their memory are kept by Python alone")
