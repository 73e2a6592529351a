"""An SMTP sink in a process of its own: takes every mail, keeps none, can tell when each was accepted.

    python -m ops.bench.sink PORT [TIMES [DELAY]]

TIMES is a file to which one line `<unix time> <recipient>` is appended per accepted mail, written just
before the 250 leaves. DELAY is how many seconds each mail takes, from its final dot to the 250; connections
do not wait for each other. Offers PIPELINING (RFC 2920), 8BITMIME and SIZE.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO

EHLO = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 8BITMIME\r\n"
ANSWERS = {
    b"HELO": b"250 sink\r\n",
    b"EHLO": EHLO,
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class SinkProtocol(asyncio.Protocol):
    """One connection; `times` gets a line per accepted recipient, `delay` seconds after its mail came."""

    def __init__(self, times: TextIO | None, delay: float = 0.0) -> None:
        self._times = times
        self._delay = delay
        self._waiting = False
        self._buffer = b""
        self._in_data = False
        self._recipients: list[str] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._answer([])

    def _answer(self, answers: list[bytes]) -> None:
        while not self._waiting and self._step(answers):
            pass
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))
            if answers[-1] is ANSWERS[b"QUIT"]:
                self._transport.close()

    def _step(self, answers: list[bytes]) -> bool:
        """Take one command or one mail out of the buffer; False when there is no complete one."""
        if self._in_data:
            return self._mail(answers)
        line, newline, rest = self._buffer.partition(b"\r\n")
        if not newline:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipients.append(line.partition(b"<")[2].partition(b">")[0].decode("ascii", "replace"))
            answers.append(b"250 2.1.5 Ok\r\n")
            return True
        self._in_data = verb == b"DATA"
        answers.append(ANSWERS.get(verb, b"502 5.5.2 What?\r\n"))
        return True

    def _mail(self, answers: list[bytes]) -> bool:
        end = self._buffer.find(b"\r\n.\r\n")
        if end < 0:
            return False
        self._buffer = self._buffer[end + 5 :]
        self._in_data = False
        if self._delay:
            self._waiting = True
            asyncio.get_running_loop().call_later(self._delay, self._accept_late)
        else:
            answers.append(self._accepted())
        return True

    def _accept_late(self) -> None:
        self._waiting = False
        self._answer([self._accepted()])

    def _accepted(self) -> bytes:
        if self._times is not None:
            now = time.time()
            self._times.writelines(f"{now:.6f} {recipient}\n" for recipient in self._recipients)
            self._times.flush()
        self._recipients.clear()
        return b"250 2.0.0 Ok: queued as SINK\r\n"


async def serve(port: int, times: Path | None = None, delay: float = 0.0) -> None:
    """Listen on the loopback address until the process ends."""
    file = times.open("a") if times else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SinkProtocol(file, delay), "127.0.0.1", port, backlog=100)
    await server.serve_forever()


def main(port: str, times: str = "", delay: str = "0") -> None:
    """Serve as the words of the command line say."""
    asyncio.run(serve(int(port), Path(times) if times else None, float(delay)))


if __name__ == "__main__":
    main(*sys.argv[1:])
