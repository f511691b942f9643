"""People, labels with votes and a history, and what the labels of a feature come to.

Labels given before are kept: each becomes a proposal of the person whose name stood beside it, with one entry in its
history, and the earliest of a feature is the accepted one.
"""

import uuid
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    given = _read('SELECT dictionary_hash, "index", text, author, created_at FROM label ORDER BY id')
    op.drop_table("label")
    _create_people()
    _create_labels()
    _create_history()
    _put_back(given)


def downgrade() -> None:
    query = (
        'SELECT label.dictionary_hash, label."index", label.text, person.name AS author, label.created_at '
        "FROM label JOIN person ON person.id = label.author_id ORDER BY label.id"
    )
    given = _read(query)
    for table in ("labelling", "label_vote", "label_change", "label", "person"):
        op.drop_table(table)
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dictionary_hash", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
    )
    op.create_index(
        op.f("ix_label_dictionary_hash_index_id"), "label", ["dictionary_hash", "index", "id"], unique=False
    )
    _insert("label", given)


def _create_people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
    )


def _create_labels() -> None:
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("dictionary_hash", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("ups", sa.Integer(), nullable=False),
        sa.Column("downs", sa.Integer(), nullable=False),
        sa.Column("harvest_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["person.id"], name=op.f("fk_label_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sa.UniqueConstraint("key", name=op.f("uq_label_key")),
    )
    op.create_index(
        op.f("ix_label_dictionary_hash_index_id"), "label", ["dictionary_hash", "index", "id"], unique=False
    )
    op.create_index(op.f("ix_label_author_id_id"), "label", ["author_id", "id"], unique=False)
    op.create_table(
        "labelling",
        sa.Column("dictionary_hash", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("chosen_by", sa.Integer(), nullable=True),
        sa.Column("n_labels", sa.Integer(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("last_change", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["chosen_by"], ["person.id"], name=op.f("fk_labelling_chosen_by")),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_labelling_label_id")),
        sa.PrimaryKeyConstraint("dictionary_hash", "index", name=op.f("pk_labelling")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_labelling_disputed_last_change"), "labelling", ["disputed", "last_change"], unique=False)


def _create_history() -> None:
    op.create_table(
        "label_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("vote", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_label_change_label_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_label_change_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_change")),
    )
    op.create_index(op.f("ix_label_change_label_id_id"), "label_change", ["label_id", "id"], unique=False)
    op.create_index(op.f("ix_label_change_person_id_id"), "label_change", ["person_id", "id"], unique=False)
    op.create_table(
        "label_vote",
        sa.Column("label_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name=op.f("fk_label_vote_label_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_label_vote_person_id")),
        sa.PrimaryKeyConstraint("label_id", "person_id", name=op.f("pk_label_vote")),
        sqlite_with_rowid=False,
    )


def _put_back(given: list[dict[str, Any]]) -> None:
    """Labels under ids of their own from 1, as the databases count them, and so their changes."""
    first_said: dict[str, str] = {}
    for row in given:
        first_said[row["author"]] = min(first_said.get(row["author"], row["created_at"]), row["created_at"])
    _insert(
        "person",
        [{"name": name, "role": "labeller", "kind": "person", "created_at": at} for name, at in first_said.items()],
    )
    people = {row["name"]: row["id"] for row in _read("SELECT id, name FROM person")}
    _insert("label", [_label(row, people[row["author"]]) for row in given])
    stored = _read('SELECT id, dictionary_hash, "index", text, author_id, created_at FROM label ORDER BY id')
    _insert("label_change", [_change(row) for row in stored])
    changes = {row["label_id"]: row["id"] for row in _read("SELECT id, label_id FROM label_change")}
    _insert("labelling", _labellings(stored, changes))


def _label(row: dict[str, Any], author_id: int) -> dict[str, Any]:
    return {
        "key": uuid.uuid4().hex,
        **{name: row[name] for name in ("dictionary_hash", "index", "text", "created_at")},
        **{"note": "", "tags": "", "author_id": author_id, "version": 1, "hidden": False, "ups": 0, "downs": 0},
        "changed_at": row["created_at"],
    }


def _change(row: dict[str, Any]) -> dict[str, Any]:
    said = {"label_id": row["id"], "person_id": row["author_id"], "at": row["created_at"], "text": row["text"]}
    return {**said, "version": 1, "act": "proposed", "note": "", "tags": ""}


def _labellings(stored: list[dict[str, Any]], changes: dict[int, int]) -> list[dict[str, Any]]:
    """The earliest label of each feature is accepted; those of several people dispute it."""
    by_feature: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in stored:
        by_feature.setdefault((row["dictionary_hash"], row["index"]), []).append(row)
    return [
        {
            "dictionary_hash": identity,
            "index": index,
            "label_id": rows[0]["id"],
            "text": rows[0]["text"],
            "n_labels": len(rows),
            "disputed": len({row["author_id"] for row in rows}) > 1,
            "last_change": changes[rows[-1]["id"]],
        }
        for (identity, index), rows in by_feature.items()
    ]


def _read(query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in op.get_bind().execute(sa.text(query)).mappings()]


def _insert(table: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    if rows:
        columns = [sa.column(name, sa.Boolean() if name in ("hidden", "disputed") else None) for name in rows[0]]
        op.get_bind().execute(sa.table(table, *columns).insert(), rows)
