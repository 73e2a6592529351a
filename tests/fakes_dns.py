"""A name server on loopback that knows what it is told, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.rrset

Records = Mapping[tuple[str, str], Sequence[str]]


@contextmanager
def name_server(records: Records) -> Iterator[str]:
    """Its IP:port. `records`: (name, type) → data as in a zone file; other names do not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer_all, args=(door, records), daemon=True)
        thread.start()
        try:
            host, port = door.getsockname()
            yield f"{host}:{port}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", door.getsockname())
            thread.join(5)


def _answer_all(door: socket.socket, records: Records) -> None:
    while True:
        asked, caller = door.recvfrom(4096)
        if asked == b"end":
            return
        query = dns.message.from_wire(asked)
        answer = dns.message.make_response(query)
        question = query.question[0]
        name, kind = (
            question.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(question.rdtype),
        )
        data = records.get((name, kind))
        if data:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *data))
        elif not any(known == name for known, _ in records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        door.sendto(answer.to_wire(), caller)
