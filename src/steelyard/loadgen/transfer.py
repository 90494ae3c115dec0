"""One request on its way and what has come back so far: raw bytes, and three numbers a read.

A read is kept in twelve bytes: its stamp, how many bytes it brought, and how much earlier than the
stamp the first of them may have come. What the bytes mean, framing included, is found out
afterwards. Not aware of sockets.
"""

from __future__ import annotations

from array import array
from typing import Final, final

from steelyard.loadgen.framing import Framing
from steelyard.loadgen.jobs import Job

SPREAD_UNIT_NS: Final = 10_000
SPREAD_MAX: Final = 32_767
HELD: Final = 32_768  # beside a spread: the sender may have held back even the last byte


@final
class Transfer:
    """The state of one exchange. Times are monotonic nanoseconds.

    `spreads` count in units of `SPREAD_UNIT_NS`. `handed_ns` is when the write of the last byte
    came back; `sent_ns` is right before it. `first_sent_ns` is that of the first try, where a kept
    connection lost it; `sealed` once `unsent` is what goes over the wire. What has not been read
    came after `drained_ns`; `held` when a window that we left shut may have kept it from coming.
    `joined` counts the pieces that came with others in one read, as far as was looked. `late_ns` is
    the longest that anything had lain there unread. `user_reads` counts the reads that the kernel
    did not stamp.
    """

    __slots__ = (
        "drained_ns",
        "first_sent_ns",
        "framing",
        "handed_ns",
        "held",
        "intended_ns",
        "job",
        "joined",
        "late_ns",
        "raw",
        "reconnects",
        "sealed",
        "segments",
        "segments_before",
        "sent_ns",
        "sizes",
        "spreads",
        "started_ns",
        "times",
        "unsent",
        "user_reads",
    )

    def __init__(self, job: Job, intended_ns: int, now_ns: int) -> None:
        self.job = job
        self.intended_ns = intended_ns
        self.started_ns = now_ns
        self.sent_ns = 0
        self.first_sent_ns = 0
        self.handed_ns = 0
        self.sealed = False
        self.unsent = memoryview(job.request)
        self.raw = bytearray()
        self.times = array("q")
        self.sizes = array("H")
        self.spreads = array("H")
        self.drained_ns = 0
        self.late_ns = 0
        self.held = False
        self.joined = 0
        self.user_reads = 0
        self.reconnects = 0
        self.segments_before = 0
        self.segments = 0
        self.framing = Framing()

    @property
    def asked_ns(self) -> int:
        """When the request was first sent; 0 before that."""
        return self.first_sent_ns or self.sent_ns

    def overdue(self, now_ns: int) -> str | None:
        """Return the code of the limit that has been passed, if any."""
        job = self.job
        if job.deadline_ns is not None and now_ns - self.started_ns > job.deadline_ns:
            return "deadline"
        last_ns = self.times[-1] if self.times else max(self.started_ns, self.handed_ns)
        if job.stall_ns is not None and now_ns - last_ns > job.stall_ns:
            return "stalled"
        return None
