"""Who is who: customers by their contacts, staff by number or address, and whom a role means on a ticket."""

from workers.directory.colleagues import ensure_administrator, staff_by_email, staff_by_number, team_named
from workers.directory.contacts import is_email, normal_email, normal_phone, region_of
from workers.directory.customers import Contact, find_or_make_customer
from workers.directory.presence import on_duty, people_present, substitute_of
from workers.directory.roles import people_for, people_in_roles

__all__ = [
    "Contact",
    "ensure_administrator",
    "find_or_make_customer",
    "is_email",
    "normal_email",
    "normal_phone",
    "on_duty",
    "people_for",
    "people_in_roles",
    "people_present",
    "region_of",
    "staff_by_email",
    "staff_by_number",
    "substitute_of",
    "team_named",
]
