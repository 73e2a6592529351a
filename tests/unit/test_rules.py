"""The table of rules against the routes there are: a new route without a rule fails here."""

from types import SimpleNamespace
from typing import Any

from models.vocabulary import Role
from workers.metrics import Metrics
from workers.web.app import ROUTERS, make_app
from workers.web.rules import ANYBODY, RULES, Owns, rule_of

NO_PROOF = ("/api/", "/console")


def routes() -> set[str]:
    """Method and path of all there are, HEAD only where nothing else stands at its path."""
    parts: Any = SimpleNamespace(
        settings=SimpleNamespace(public_url="https://help.example", api_key="k"),
        metrics=Metrics(),
        workshop=SimpleNamespace(tracer=None),
    )
    described = make_app(parts).openapi()["paths"]
    found = {f"{method.upper()} {path}" for path, ways in described.items() for method in ways}
    for router in ROUTERS:
        for route in router.routes:
            path = getattr(route, "path", None)
            found |= {f"{method} {path}" for method in getattr(route, "methods", None) or () if path}
    return {each for each in found if not (each.startswith("HEAD ") and f"GET {each[5:]}" in found)}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    there = routes()
    assert len(there) > 90
    assert there - RULES.keys() == set(), "who may call it? say so in workers/web/rules.py"
    assert RULES.keys() - there == {"GET /openapi.json"}


def test_nobody_unknown_passes_but_by_a_link_a_signature_or_the_sign_in() -> None:
    open_ones = {each for each, rule in RULES.items() if rule.roles is None}
    guarded = {each for each in open_ones if each.split(" ")[1].startswith(NO_PROOF)}
    assert all("/console/sign-in" in each for each in guarded)
    for each, rule in RULES.items():
        if each.split(" ")[1].startswith("/api/"):
            assert rule.scope is not None, each
    assert rule_of("GET", "/api/v1/what-nobody-named").roles == frozenset({Role.ADMINISTRATOR})
    assert rule_of("HEAD", "/console").roles == frozenset(Role)
    assert rule_of("HEAD", "/healthz") is ANYBODY


def test_an_agent_meets_single_things_only_by_whose_ticket_it_is() -> None:
    of_tickets = ("/tickets/{", "/notifications/{", "/surveys/{", "/followups/{", "/customers/{")
    for each, rule in RULES.items():
        if any(part in each for part in of_tickets) and Role.AGENT in (rule.roles or ()):
            assert isinstance(rule.owns, Owns), each
