"""New migrations only add: old processes go on meanwhile, and nobody waits for a table; or they say so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.revisions import MIGRATIONS, after

BEFORE_THE_RULE = "0036"
"""Up to here migrations ran with everything stopped."""
TAKES_AWAY = frozenset(
    {"drop_table", "drop_column", "drop_constraint", "rename_table", "alter_column", "batch_alter_table"}
)
CHECKS_ALL_ROWS = frozenset({"create_foreign_key", "create_check_constraint", "create_unique_constraint"})
HARSH = re.compile(r"\b(UPDATE|DELETE|TRUNCATE|LOCK|ALTER\s+TABLE|DROP\s+(TABLE|COLUMN)|RENAME)\b", re.I)
CONTRACTED = "say CONTRACT = True, and see ops/docs/keeping.md"


def findings(source: str) -> Iterator[str]:
    """What in a migration takes something away from old processes or keeps a table locked."""
    tree = ast.parse(source)
    if any(isinstance(line, ast.Assign) and ast.unparse(line) == "CONTRACT = True" for line in tree.body):
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = {_text(call.args[0]) for call in calls if _named(call) == "create_table" and call.args}
    for call in calls:
        name = _named(call)
        if name in TAKES_AWAY:
            yield f"{name} takes away what old processes use: {CONTRACTED}"
        elif name in CHECKS_ALL_ROWS and _table(call) not in made:
            yield f"{name} reads a whole table under a lock: {CONTRACTED}"
        elif name == "create_index" and _table(call) not in made:
            yield "op.create_index keeps writers waiting: use create_index of models.migrations.online"
        elif name == "add_column" and _must_be_filled(call):
            yield f"a column that must be filled, without a server_default, fails old processes: {CONTRACTED}"
        elif name == "execute" and HARSH.search(_words(call)):
            yield f"rows or tables are changed while they are in use: {CONTRACTED}"


def _named(call: ast.Call) -> str:
    own = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "op"
    return call.func.attr if own and isinstance(call.func, ast.Attribute) else ""


def _table(call: ast.Call) -> str:
    return _text(call.args[1]) if len(call.args) > 1 else ""


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _words(call: ast.Call) -> str:
    parts = (node.value for node in ast.walk(call) if isinstance(node, ast.Constant))
    return " ".join(part for part in parts if isinstance(part, str))


def _must_be_filled(call: ast.Call) -> bool:
    words = {
        word.arg: ast.unparse(word.value)
        for column in call.args[1:]
        if isinstance(column, ast.Call)
        for word in column.keywords
    }
    return words.get("nullable") == "False" and "server_default" not in words


@pytest.mark.parametrize("revision", [each.number for each in after(BEFORE_THE_RULE)] or [""])
def test_new_migrations_only_add_or_say_that_they_contract(revision: str) -> None:
    for path in (MIGRATIONS / "versions").glob(f"{revision}_*.py") if revision else ():
        assert list(findings(Path(path).read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "op.drop_column('tickets', 'note')",
        "op.alter_column('tickets', 'note', nullable=False)",
        "op.create_index('ix', 'tickets', ['note'])",
        "op.add_column('tickets', sa.Column('note', sa.Text(), nullable=False))",
        "op.execute('UPDATE tickets SET note = 1')",
        "op.execute(f'ALTER TABLE {TABLE} DROP x')",
        "op.create_foreign_key('fk', 'tickets', 'staff', ['a'], ['id'])",
    ],
)
def test_what_takes_away_or_locks_is_found_unless_it_says_so(line: str) -> None:
    source = f"def upgrade():\n    {line}\n"
    assert len(list(findings(source))) == 1
    assert list(findings(f"CONTRACT = True\n{source}")) == []


@pytest.mark.parametrize(
    "line",
    [
        "op.add_column('tickets', sa.Column('note', sa.Text(), nullable=True))",
        "op.add_column('t', sa.Column('n', sa.Integer(), server_default='0', nullable=False))",
        "op.create_table('new', sa.Column('id'))\n    op.create_index('ix', 'new', ['id'])",
        "create_index('ix', 'tickets', ['note'])",
        "op.execute('CREATE TRIGGER x BEFORE INSERT ON new BEGIN SELECT 1; END')",
    ],
)
def test_what_only_adds_is_let_through(line: str) -> None:
    assert list(findings(f"def upgrade():\n    {line}\n")) == []
