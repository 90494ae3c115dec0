"""Programs that try to get out of a sandbox, each of which says `OUT` if it has.

What they are after stands in `CASE`: a port of this machine, files, a variable, a folder.
`bare` ones are harmless, and are run without the sandbox too, where they have to get through: an
attack that never works would prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

_BEGIN = """
import json, os, sys
CASE = json.loads({case!r})
def out(what=""):
    os.write(RESULTS, ("OUT " + str(what)).encode())
def tried(attempt):
    try:
        attempt()
    except BaseException as error:
        os.write(RESULTS, (type(error).__name__ + " ").encode())
def libc():
    import ctypes
    return ctypes.CDLL(None, use_errno=True)
"""


@dataclass(frozen=True)
class Attack:
    """One way out. `ends` is how the sandbox may end it, where not by its own end."""

    name: str
    program: str
    bare: bool = False
    ends: str = "finished"


def program(attack: Attack, case: str) -> str:
    """Return the whole text of an attack."""
    return _BEGIN.format(case=case) + attack.program


ATTACKS = (
    # ── network ─────────────────────────────────────────────────────────────────────────────
    Attack("tcp", """
import socket
def go():
    with socket.create_connection(("127.0.0.1", CASE["port"]), timeout=2) as s:
        s.sendall(b"hello"); out()
tried(go)
""", bare=True),
    Attack("udp", """
import socket
def go():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"hello", ("127.0.0.1", CASE["port"])); out()
tried(go)
""", bare=True),
    Attack("unix socket", """
import socket
def go():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(CASE["unix"]); out()
tried(go)
""", bare=True),
    Attack("socket by its number", """
import platform
number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
if libc().syscall(number, 2, 1, 0) >= 0:
    out()
""", bare=True),
    # ── files ───────────────────────────────────────────────────────────────────────────────
    Attack("a secret file", 'tried(lambda: out(open(CASE["secret"]).read()))', bare=True),
    Attack("the list of users", 'tried(lambda: out(open("/etc/passwd").read()))', bare=True),
    Attack("the user's home", 'tried(lambda: out(os.listdir(CASE["home"])))', bare=True),
    Attack("writing outside", """
def go():
    with open(os.path.join(CASE["folder"], "written"), "w") as f:
        f.write("x")
    out()
tried(go)
""", bare=True),
    Attack("the library", """
def go():
    with open(os.__file__, "a") as f:
        f.write("#")
    out()
tried(go)
tried(lambda: (os.chmod(sys.executable, 0o777), out()))
"""),
    Attack("what was left open", """
for fd in range(3, 64):
    if fd == RESULTS:
        continue
    try:
        os.fstat(fd)
    except OSError:
        continue
    out(fd)
"""),
    Attack("a symbolic link", """
def go():
    for place in ("/", "/tmp", "/dev", "."):
        try:
            link = os.path.join(place, "link-of-attack")
            os.symlink(CASE["secret"], link)
            text = open(link).read(); os.unlink(link); out(text)
        except OSError:
            pass
tried(go)
tried(lambda: out(open("/proc/self/root" + CASE["secret"]).read()))
tried(lambda: out(open("/proc/1/root" + CASE["secret"]).read()))
"""),
    # ── environment ─────────────────────────────────────────────────────────────────────────
    Attack("variables", """
import ctypes
held = ctypes.POINTER(ctypes.c_char_p).in_dll(libc(), "environ")
n = 0
while held and held[n]:
    if CASE["variable"].encode() in held[n]:
        out()
    n += 1
if CASE["variable"] in os.environ:
    out()
""", bare=True),
    # ── processes ───────────────────────────────────────────────────────────────────────────
    Attack("fork bomb", """
import time
made = 0
for _ in range(3000):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        continue
    made += 1
if made:
    out(made)
"""),
    Attack("threads", """
import _thread, time
made = 0
for _ in range(200):
    try:
        _thread.start_new_thread(time.sleep, (60,))
        made += 1
    except RuntimeError:
        pass
if made:
    out(made)
"""),
    Attack("another program", """
import subprocess
tried(lambda: out(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True)))
tried(lambda: out(os.posix_spawn("/bin/sh", ["sh", "-c", "id"], {})))
""", bare=True),
    # ── memory ──────────────────────────────────────────────────────────────────────────────
    Attack("heap", """
held = []
def go():
    while len(held) < CASE["much_mib"]:
        held.append(bytearray(1 << 20))
tried(go)
if len(held) >= CASE["much_mib"]:
    out()
"""),
    Attack("shared pages", """
import mmap
held = []
def go():
    while len(held) < CASE["much_mib"] // 16:
        held.append(mmap.mmap(-1, 16 << 20))
        held[-1].write(b"x" * (16 << 20))
tried(go)
if len(held) >= CASE["much_mib"] // 16:
    out()
"""),
    Attack("memory that outlives its process", """
c = libc()
if c.shmget(0, 1 << 20, 0o1600) >= 0 or c.memfd_create(b"x", 0) >= 0 or c.msgget(0, 0o1600) >= 0:
    out()
"""),
    Attack("higher limits", """
import resource
for name in ("AS", "CPU", "NPROC", "FSIZE"):
    which = getattr(resource, "RLIMIT_" + name)
    tried(lambda: (resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2), out(which)))
"""),
    # ── disk ────────────────────────────────────────────────────────────────────────────────
    Attack("a full disk", """
for place in ("/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/usr/lib", ".", "/home", "/run"):
    def go():
        with open(os.path.join(place, "large"), "wb") as f:
            f.write(b"x" * 4096)
        out(place)
    tried(go)
"""),
    Attack("a million files", """
for place in ("/", "/tmp", "/dev", "/dev/shm", "."):
    for n in range(100):
        tried(lambda: (os.mkdir(os.path.join(place, str(n))), out(place)))
"""),
    # ── the kernel ──────────────────────────────────────────────────────────────────────────
    Attack("the list of processes", """
tried(lambda: out(os.listdir("/proc")))
tried(lambda: out(open("/proc/1/environ").read()))
tried(lambda: out(open("/proc/self/mem", "r+b")))
tried(lambda: out(os.listdir("/sys/fs/cgroup")))
""", bare=True),
    Attack("namespaces and mounts", """
c = libc()
if c.unshare(0x10000000) == 0 or c.unshare(0x20000) == 0:
    out("unshare")
if c.mount(b"proc", b"/", b"proc", 0, None) == 0 or c.chroot(b"/usr") == 0:
    out("mount")
"""),
    Attack("becoming root", """
tried(lambda: (os.setuid(0), out()))
tried(lambda: (os.setgroups([0]), out()))
if os.getuid() == 0:
    out()
"""),
    Attack("another process's memory", """
c = libc()
for pid in (1, os.getppid(), CASE["pid"]):
    if c.ptrace(16, pid, None, None) == 0:
        out(pid)
"""),
    # ── signals ─────────────────────────────────────────────────────────────────────────────
    # Signal 0 asks who could be signalled, and does nobody harm should the walls be missing.
    Attack("a signal to us", 'tried(lambda: (os.kill(CASE["pid"], 0), out()))', bare=True),
    Attack("a signal to everybody", "tried(lambda: (os.kill(-1, 0), out()))", bare=True),
    Attack("deaf to signals", """
import signal
for n in range(1, 64):
    try:
        signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""", ends="killed"),
    # ── time ────────────────────────────────────────────────────────────────────────────────
    Attack("a loop", "while True: pass", ends="killed"),
    Attack("sleep", "import time\ntime.sleep(600)\nout()", ends="out_of_time"),
    Attack("sleep with its way out closed", """
import time
os.close(RESULTS)
time.sleep(600)
""", ends="out_of_time"),
    Attack("a flood", "while True: os.write(RESULTS, b'x' * 65536)", ends="said_too_much"),
    Attack("the clock", """
import time
tried(lambda: (time.clock_settime(time.CLOCK_REALTIME, 0), out()))
tried(lambda: (os.setpriority(os.PRIO_PROCESS, 0, -5), out()))
"""),
)  # fmt: skip
