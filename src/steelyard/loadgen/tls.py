"""TLS in memory, for the measuring client. Imported only where it is needed.

Not aware of sockets: encrypted bytes go in and come out, so that the socket keeps its stamps.
"""

from __future__ import annotations

import ssl
from typing import final

from steelyard.loadgen.connections import READ_BYTES, Broken


def context(cafile: str | None, *, verify: bool) -> ssl.SSLContext:
    """Return the client's settings: verification unless it was switched off by name."""
    settings = ssl.create_default_context(cafile=cafile)
    if not verify:
        settings.check_hostname = False
        settings.verify_mode = ssl.CERT_NONE
    return settings


@final
class Tls:
    """TLS in memory: bytes in, bytes out, no socket."""

    __slots__ = ("_in", "_out", "_session", "ready")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.ready = False

    def shake(self, data: memoryview | None) -> bytes:
        """Go on with the handshake; return what is to be sent for it."""
        if data is not None:
            self._in.write(data)
        try:
            self._session.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError:
            raise Broken("certificate_refused") from None
        except ssl.SSLError:
            raise Broken("tls_error") from None
        return self._out.read()

    def sealed(self, data: memoryview) -> bytes:
        """Encrypt."""
        while data:  # a write may take up a part of it only
            data = data[self._session.write(data) :]
        return self._out.read()

    def opened(self, data: memoryview) -> bytes:
        """Decrypt; empty while a record is not complete."""
        self._in.write(data)
        plain = bytearray()
        try:
            while piece := self._session.read(READ_BYTES):
                plain += piece
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError:
            raise Broken("tls_error") from None
        return bytes(plain)
