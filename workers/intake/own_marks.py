"""What of our own in a mail opens doors: reply addresses, tags, links. None is passed on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from workers.delivery.identity import TAG
from workers.intake.quotes import find_tokens, plus_pattern, strip_tokens
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class OwnMarks:
    """The patterns of one installation's reply addresses and links (see `workers.links`)."""

    addresses: re.Pattern[str]
    links: re.Pattern[str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that this installation makes."""
        local = settings.mail_from.partition("@")[0].partition("+")[0]
        return cls(*_patterns(f"{local}@{settings.mail_domain}", settings.public_url.rstrip("/")))

    def reply_tokens(self, text: str) -> tuple[str, ...]:
        """The tokens of our reply addresses in `text`, in order, in lower case."""
        return find_tokens(text, self.addresses)

    def in_text(self, text: str) -> bool:
        """Whether `text` holds any of them: then it quotes a mail of ours."""
        return bool(self.addresses.search(text) or self.links.search(text) or TAG.search(text))

    def strip(self, text: str) -> str:
        """`text` with reply addresses reduced to the plain address, subject tags to the ticket's number, and
        links to their page without token.
        """
        text = TAG.sub(r"[\g<number>]", strip_tokens(text, self.addresses))
        return self.links.sub(r"\g<page>…", text)


@lru_cache(maxsize=8)  # each mail asks several times
def _patterns(address: str, site: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    links = re.compile(rf"(?P<page>{re.escape(site)}/[a-z]/)[a-z2-7]{{26}}", re.IGNORECASE)
    return plus_pattern([address]), links
