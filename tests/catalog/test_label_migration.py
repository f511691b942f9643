"""Labels that were given before people and votes were known are kept as proposals with a history."""

from sqlalchemy import Engine, text

from catalog.engine import make_engine, session_scope
from catalog.revision import migrate, upgrade
from catalog.schema import LabelChangeRow, LabellingRow, LabelRow, PersonRow

BEFORE = "0005"
GIVEN = [
    ("hash", 3, "first", "kim"),
    ("hash", 3, "second", "ada"),
    ("hash", 4, "third", "kim"),
    ("other", 3, "x", "kim"),
]


def test_labels_given_before_become_proposals(database_url: str):
    engine = make_engine(database_url)
    with session_scope(engine, write=True) as session:
        upgrade(session.connection(), BEFORE)
        for number, (identity, index, said, author) in enumerate(GIVEN, start=1):
            session.execute(
                text(
                    'INSERT INTO label (id, dictionary_hash, "index", text, author, created_at) '
                    "VALUES (:id, :hash, :index, :text, :author, :at)"
                ),
                {
                    "id": number,
                    "hash": identity,
                    "index": index,
                    "text": said,
                    "author": author,
                    "at": f"2026-01-0{number}",
                },
            )
    migrate(engine)
    check(engine)
    engine.dispose()


def check(engine: Engine) -> None:
    with session_scope(engine) as session:
        people = {row.id: row.name for row in session.query(PersonRow)}
        labels = session.query(LabelRow).order_by(LabelRow.id).all()
        assert [(row.dictionary_hash, row.index, row.text, people[row.author_id]) for row in labels] == GIVEN
        assert [(row.version, row.hidden, row.created_at) for row in labels] == [
            (1, False, f"2026-01-0{number}") for number in range(1, 5)
        ]
        changes = session.query(LabelChangeRow).order_by(LabelChangeRow.id).all()
        assert [(row.label_id, row.act, row.text, row.at) for row in changes] == [
            (row.id, "proposed", row.text, row.created_at) for row in labels
        ]
        settled = {
            (row.dictionary_hash, row.index): (row.text, row.n_labels, row.disputed)
            for row in session.query(LabellingRow)
        }
        assert settled == {
            ("hash", 3): ("first", 2, True),
            ("hash", 4): ("third", 1, False),
            ("other", 3): ("x", 1, False),
        }
