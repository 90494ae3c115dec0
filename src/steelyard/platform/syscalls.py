"""Which system calls contained code is refused: a filter in the kernel's own little language.

Nothing may be started (no process, no thread), nothing sent, no memory kept outside of the
address space, no namespace or mount made, no other process looked into. A filter is a list of
classic BPF instructions. Not aware of who loads it. Numbers: arch/x86/entry/syscalls and
include/uapi/asm-generic/unistd.h of Linux; layout: Documentation/userspace-api/seccomp_filter.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # an error, EPERM
_KILL: Final = 0x80000000
_NUMBER_AT: Final = 0  # in struct seccomp_data
_ARCHITECTURE_AT: Final = 4
_OTHER_ABI: Final = 0x40000000  # x32 calls of x86-64: the same calls under other numbers

# Since Linux 5.1 all architectures number new calls alike.
_ALIKE: Final[Mapping[str, int]] = {
    "pidfd_open": 434, "pidfd_getfd": 438, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431,
    "fsmount": 432, "fspick": 433, "clone3": 435, "mount_setattr": 442, "memfd_secret": 447,
}  # fmt: skip
_X86_64: Final[Mapping[str, int]] = {
    "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "ptrace": 101,
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "msgget": 68, "mq_open": 240,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
    "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298,
    "userfaultfd": 323, "memfd_create": 319, "process_vm_readv": 310, "process_vm_writev": 311,
    "kcmp": 312, "name_to_handle_at": 303, "open_by_handle_at": 304, "modify_ldt": 154,
    "iopl": 172, "ioperm": 173, "personality": 135, "quotactl": 179, "syslog": 103, "acct": 163,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305,
    "adjtimex": 159, "setpriority": 141, "sched_setscheduler": 144, "sched_setattr": 314,
    "ioprio_set": 251, "inotify_init": 253, "inotify_init1": 294, "fanotify_init": 300,
}  # fmt: skip
_AARCH64: Final[Mapping[str, int]] = {
    "socket": 198, "socketpair": 199, "clone": 220, "ptrace": 117, "shmget": 194, "shmctl": 195,
    "shmat": 196, "semget": 190, "msgget": 186, "mq_open": 180, "mount": 40, "umount2": 39,
    "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268, "add_key": 217,
    "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
    "memfd_create": 279, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "name_to_handle_at": 264, "open_by_handle_at": 265, "personality": 92, "quotactl": 60,
    "syslog": 116, "acct": 89, "swapon": 224, "swapoff": 225, "reboot": 142, "sethostname": 161,
    "setdomainname": 162, "kexec_load": 104, "kexec_file_load": 294, "init_module": 105,
    "finit_module": 273, "delete_module": 106, "settimeofday": 170, "clock_settime": 112,
    "clock_adjtime": 266, "adjtimex": 171, "setpriority": 140, "sched_setscheduler": 119,
    "sched_setattr": 274, "ioprio_set": 30, "inotify_init1": 26, "fanotify_init": 262,
}  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class Architecture:
    """By what number the kernel knows a processor, and its calls that are refused."""

    audit: int
    refused: Mapping[str, int]


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "x86_64": Architecture(0xC000003E, {**_X86_64, **_ALIKE}),
    "aarch64": Architecture(0xC00000B7, {**_AARCH64, **_ALIKE}),
}


def seccomp_filter(architecture: Architecture) -> bytes:
    """Return the filter as an array of `struct sock_filter`.

    A call of another architecture kills the process: its numbers mean something else.
    """
    numbers = sorted(architecture.refused.values())
    checks = [(_IF_AT_LEAST, _OTHER_ABI), *((_IF_EQUAL, number) for number in numbers)]
    return b"".join(
        (
            _instruction(_LOAD, _ARCHITECTURE_AT),
            _instruction(_IF_EQUAL, architecture.audit, yes=1),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NUMBER_AT),
            # Each check that fits jumps over the rest of them and over the permission.
            *(
                _instruction(how, number, yes=len(checks) - place)
                for place, (how, number) in enumerate(checks)
            ),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
        )
    )


def _instruction(code: int, value: int, *, yes: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, 0, value)
