"""The routes of targets, improvements and weak links. Of the first two an agent sees those they own."""

READ_BY_ALL = (
    "GET /targets",
    "GET /targets/{number}",
    "GET /improvements",
    "GET /improvements/{number}",
)
BY_ALL = (
    "POST /targets/{number}/progress",
    "POST /improvements/{number}/progress",
    "POST /improvements/{number}/carried-out",
    "POST /improvements/{number}/review",
)
"""Their owner, or who leads."""
BY_LEADS = (
    "POST /targets",
    "PATCH /targets/{number}",
    "POST /targets/{number}/withdraw",
    "POST /improvements",
    "POST /improvements/{number}/evaluate",
    "POST /improvements/{number}/withdraw",
    "POST /reports/weak-links/draft",
)
REPORTED = ("GET /reports/weak-links", "GET /improvements/due")

ON_ALL_PAGES = (
    "GET /console/targets",
    "GET /console/targets/{number}",
    "POST /console/targets/{number}/{act}",
    "GET /console/improvements",
    "GET /console/improvements/{number}",
    "POST /console/improvements/{number}/{act}",
)
ON_LEADS_PAGES = (
    "GET /console/targets/new",
    "POST /console/targets/new",
    "GET /console/improvements/new",
    "POST /console/improvements/new",
    "GET /console/weak-links",
    "POST /console/weak-links/draft",
)
