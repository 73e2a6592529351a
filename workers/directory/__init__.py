"""Who is who: customers by their contacts, staff by number or address, and whom a role means on a ticket."""

from workers.directory.cases import case_of, policy_for
from workers.directory.colleagues import ensure_administrator, staff_by_email, staff_by_number, team_named
from workers.directory.contacts import is_email, normal_email, normal_phone, region_of
from workers.directory.customers import Contact, as_merged, find_or_make_customer, writes_from
from workers.directory.known_names import known_names, without_names
from workers.directory.presence import on_duty, people_present, substitute_of
from workers.directory.roles import people_for, people_in_roles

__all__ = [
    "Contact",
    "as_merged",
    "case_of",
    "ensure_administrator",
    "find_or_make_customer",
    "is_email",
    "known_names",
    "normal_email",
    "normal_phone",
    "on_duty",
    "people_for",
    "people_in_roles",
    "people_present",
    "policy_for",
    "region_of",
    "staff_by_email",
    "staff_by_number",
    "substitute_of",
    "team_named",
    "without_names",
    "writes_from",
]
