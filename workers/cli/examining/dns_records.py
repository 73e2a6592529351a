"""What the DNS says of the sender's domain: MX, SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489), PTR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from dns.resolver import Resolver

    from workers.settings import Settings

SECONDS = 5.0
MOST_LOOKUPS = 10
"""Mechanisms that make a receiver look up more (RFC 7208 §4.6.4), counted in the record itself."""
PREFIXES = ("include:", "a:", "mx:", "ptr:", "exists:", "redirect=")
PLACEHOLDERS = (".localhost", ".example", ".test", ".invalid", ".local")


class NoAnswer(Exception):
    """The name server did not answer, or failed: nothing is known."""


def dns_findings(settings: Settings, nameserver: str = "") -> Iterator[Finding]:
    """The records of the sender's domain and of the relays that belong to it.

    `nameserver` is IP or IP:port, empty for the system's. Domains that are no real ones are not asked for.
    """
    domain = settings.mail_from.rpartition("@")[2].lower()
    if not nameserver and f".{domain}".endswith(PLACEHOLDERS):
        yield Finding("dns", "warning", f"{domain} is no real domain", "set CLOSELOOP_MAIL_FROM")
        return
    ask = Asking(nameserver)
    try:
        yield from _mx(ask, settings.mail_domain)
        yield from _spf(ask, domain)
        yield from _dkim(ask, settings, domain)
        yield from _dmarc(ask, domain)
        yield from _ptr(ask, settings, domain)
    except NoAnswer as error:
        yield Finding(
            "dns", "warning", str(error), "is the DNS reachable from here? --nameserver asks another"
        )


class Asking:
    """Questions to a name server. Nothing found is an empty list; raises NoAnswer when it is not known."""

    def __init__(self, nameserver: str = "") -> None:
        import dns.resolver

        self._resolver: Resolver = dns.resolver.Resolver(configure=not nameserver)
        self._resolver.lifetime = SECONDS
        if nameserver:
            host, _, port = nameserver.rpartition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
            self._resolver.nameservers = [host]
            self._resolver.port = int(port or 53)

    def ask(self, name: str, kind: str) -> list[str]:
        """The answers as text; strings of one TXT record are joined."""
        import dns.exception
        import dns.resolver

        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise NoAnswer(f"{kind} of {name}: {type(error).__name__}") from error
        if kind == "TXT":
            return [b"".join(each.strings).decode("utf-8", "replace") for each in answer]
        return [each.to_text() for each in answer]

    def pointers(self, address: str) -> list[str]:
        """The names that an IP address points to."""
        import dns.reversename

        return self.ask(dns.reversename.from_address(address).to_text(), "PTR")


def _mx(ask: Asking, domain: str) -> Iterator[Finding]:
    found = [each.split()[-1].rstrip(".") for each in ask.ask(domain, "MX")]
    if found == [""]:
        yield Finding("dns", "bad", f"{domain} takes no mail (MX .)", "answers and bounces cannot come in")
    elif found:
        yield Finding("dns", "good", f"MX of {domain}: {', '.join(sorted(found)[:4])}")
    elif ask.ask(domain, "A") or ask.ask(domain, "AAAA"):
        yield Finding(
            "dns", "warning", f"{domain} has no MX; mail goes to its address", "publish an MX record"
        )
    else:
        yield Finding(
            "dns", "bad", f"{domain} has neither MX nor address", "answers and bounces cannot come in"
        )


def _spf(ask: Asking, domain: str) -> Iterator[Finding]:
    records = [each for each in ask.ask(domain, "TXT") if each.lower().split(" ")[0] == "v=spf1"]
    if not records:
        hint = (
            f'publish TXT at {domain}: "v=spf1 include:<your relay\'s> ~all"; the relay says what to include'
        )
        yield Finding("dns", "bad", f"{domain} has no SPF record", hint)
        return
    if len(records) > 1:
        hint = "receivers take that for a permanent error (RFC 7208 §4.5): join them into one"
        yield Finding("dns", "bad", f"{domain} has {len(records)} SPF records", hint)
        return
    terms = records[0].lower().split()[1:]
    plain = [term.lstrip("+-~?") for term in terms]
    lookups = sum(term.split("/")[0] in ("a", "mx", "ptr") or term.startswith(PREFIXES) for term in plain)
    if lookups > MOST_LOOKUPS:
        yield Finding("dns", "bad", f"SPF of {domain} needs {lookups} look-ups", "more than ten are an error")
    elif "+all" in terms or "all" in terms:
        yield Finding("dns", "bad", f"SPF of {domain} lets everybody send (+all)", "end it with ~all or -all")
    elif not any(term.endswith("all") or term.startswith("redirect=") for term in plain):
        yield Finding("dns", "warning", f"SPF of {domain} says nothing of others", "end it with ~all or -all")
    else:
        yield Finding("dns", "good", f"SPF of {domain}: {records[0]}")


def _dkim(ask: Asking, settings: Settings, domain: str) -> Iterator[Finding]:
    if not settings.dkim:
        hint = "closeloop send-test you@…, then look for dkim=pass in the headers of what arrives"
        yield Finding("dns", "good", "DKIM: the relay signs, if anybody does", hint)
        return
    selector, _, path = settings.dkim.partition(":")
    name = f"{selector}._domainkey.{domain}"
    ours = _public_key(path)
    found = [_tags(each).get("p", "") for each in ask.ask(name, "TXT")]
    if ours in found:
        yield Finding("dns", "good", f"DKIM: {name} publishes our key")
    elif found:
        yield Finding("dns", "bad", f"DKIM: {name} publishes another key", f'publish "p={ours}"')
    else:
        yield Finding("dns", "bad", f"DKIM: {name} publishes nothing", f'publish TXT "v=DKIM1; p={ours}"')


def _public_key(path: str) -> str:
    """What stands behind p= for a private key (RFC 6376 §3.6.1, RFC 8463 §4). Raises OSError, ValueError."""
    import base64
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(Path(path).read_bytes(), password=None).public_key()
    if isinstance(key, Ed25519PublicKey):
        return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _dmarc(ask: Asking, domain: str) -> Iterator[Finding]:
    """Of the domain, or of one above it: whose that is, receivers decide (RFC 7489 §6.6.3)."""
    labels = domain.split(".")
    for place in range(len(labels) - 1):
        name = ".".join(labels[place:])
        records = [each for each in ask.ask(f"_dmarc.{name}", "TXT") if each.startswith("v=DMARC1")]
        if records:
            policy = _tags(records[0]).get("sp" if place else "p", _tags(records[0]).get("p", "none"))
            hint = (
                "it only watches: when the reports look right, go to p=quarantine" if policy == "none" else ""
            )
            yield Finding("dns", "good", f"DMARC of {name}: {policy}", hint)
            return
    hint = f'publish TXT at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"'
    yield Finding("dns", "warning", f"{domain} has no DMARC record: large receivers want one", hint)


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _ptr(ask: Asking, settings: Settings, domain: str) -> Iterator[Finding]:
    """Relays of one's own have to point back (RFC 1912 §2.1); those of a provider are its own business."""
    from workers.channels.smtp_url import parse_smtp_urls

    relays = parse_smtp_urls(" ".join(settings.smtp_url)) if settings.smtp_url else ()
    for host in dict.fromkeys(relay.host.lower() for relay in relays):
        if host != domain and not host.endswith(f".{domain}"):
            continue
        for address in (*ask.ask(host, "A"), *ask.ask(host, "AAAA")):
            names = [name.rstrip(".").lower() for name in ask.pointers(address)]
            if host in names:
                yield Finding("dns", "good", f"PTR of {address} is {host}")
            else:
                told = ", ".join(names) or "nothing"
                hint = f"have whoever gives you the address set it to {host}"
                yield Finding("dns", "warning", f"PTR of {address} ({host}) is {told}", hint)
