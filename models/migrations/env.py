"""Alembic's entry: runs migrations on the connection that `models.session.migrate` hands over.

The caller has begun the transaction and holds the lock, so both databases change all or nothing.
"""

from alembic import context
from sqlalchemy import Connection

from models.tables import Base

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    # SQLite can roll schema changes back; only the driver's own transaction control could not.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
