"""The customer master: found, entered, changed, merged, taken in from a table and written to one."""

from workers.customers.changing import CustomerGiven, add_customer, change_customer, customer_by_code
from workers.customers.finding import Wanted, matching
from workers.customers.importing import RowResult, import_rows
from workers.customers.merging import merge, unmerge
from workers.customers.story import orders_of, story_of
from workers.customers.table import Wording, rows

__all__ = [
    "CustomerGiven",
    "RowResult",
    "Wanted",
    "Wording",
    "add_customer",
    "change_customer",
    "customer_by_code",
    "import_rows",
    "matching",
    "merge",
    "orders_of",
    "rows",
    "story_of",
    "unmerge",
]
