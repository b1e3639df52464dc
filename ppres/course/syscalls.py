"""System calls that are refused to a submission's process by the kernel: further processes, and memory beyond its own limit.

A process's limit of memory counts what it has mapped. Files of memory, shared segments and what other processes take are not in it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

# On a machine: as what the kernel audits it, the numbers of its `clone` and `seccomp`, and of what is refused:
# fork, vfork, memfd_create, memfd_secret, shmget, msgget; unshare, mount and fsopen, by which a disk of memory is made; ptrace and
# process_vm_writev, by which another process is taken over.
_MACHINES = {
    "x86_64": (0xC000003E, 56, 317, (57, 58, 319, 447, 29, 68, 272, 165, 430, 101, 311)),
    "aarch64": (0xC00000B7, 220, 277, (279, 447, 194, 186, 97, 40, 430, 117, 271)),
}
_CLONE3, _CLONE_THREAD, _X32 = 435, 0x10000, 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of classic BPF
_NUMBER, _MACHINE, _FLAGS = 0, 4, 16  # where a filter finds them
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def refuse() -> None:
    """Refuse them from here on to all threads of this process, and to any program that it becomes; nothing takes that back.

    Raises `OSError` where that cannot be done: on another system or machine.
    """
    machine = _MACHINES.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if not machine:
        raise OSError(errno.ENOSYS, "system calls are refused on Linux alone, on x86_64 and aarch64")
    program = _program(*machine)
    filled = ctypes.create_string_buffer(program, len(program))
    told = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(filled)))
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) for word in (machine[2], 1, 1)]  # a filter, for all threads
    if libc.prctl(38, *map(ctypes.c_long, (1, 0, 0, 0))) or libc.syscall(*words, told):  # 38: no new privileges
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


def _program(machine: int, clone: int, seccomp: int, refused: tuple[int, ...]) -> bytes:
    steps = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, machine), (_RETURN, 0, 0, _ERROR | errno.EPERM), (_LOAD, 0, 0, _NUMBER)]
    steps += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERROR | errno.EPERM)]  # other numbers for the same
    for number in refused:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERROR | errno.ENOSYS)]  # its flags are not seen: glibc then takes `clone`
    steps += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, _FLAGS), (_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    return b"".join(struct.pack("HBBI", *step) for step in [*steps, (_RETURN, 0, 0, _ALLOW)])
