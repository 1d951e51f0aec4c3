"""The few migrations of today make what the many of before the first release made, and take over what these left."""

import re

import pytest
from django.db.migrations.loader import MigrationLoader

from bookings.management.commands.migrate import IN_BETWEEN, is_in_between
from tests.conftest import SERVER, Database, manage
from tests.support import old_database

SQUASHED = {
    name: migration
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items())
    if app == "bookings" and migration.replaces
}
OLD = sorted(old for migration in SQUASHED.values() for old in migration.replaces)

# What a schema is made of, as the server itself writes it. Of the order of columns nothing may depend.
CATALOGUE = {
    "columns": """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attcompression, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = 'public'::regnamespace""",
    "storage": """SELECT relname, relkind::text, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'""",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisunique
        FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace""",
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger WHERE NOT tgisinternal",
    "functions": """SELECT proname, pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace""",
}
ROLES = """SELECT g.name, t.app_label, t.model, p.codename FROM auth_group g
    JOIN auth_group_permissions o ON o.group_id = g.id JOIN auth_permission p ON p.id = o.permission_id
    JOIN django_content_type t ON t.id = p.content_type_id"""
PERMISSIONS = """SELECT t.app_label, t.model, p.codename, p.name FROM auth_permission p
    JOIN django_content_type t ON t.id = p.content_type_id"""
# How the tables were filled with bookings, in the columns that there were.
BOOKINGS = """SELECT w.order_num, w.original_order, w.status, w.body, w.version, s.start, s.booked, a.code
    FROM bookings_workorder w JOIN bookings_appointmentslot s ON s.id = w.slot_id
    JOIN bookings_servicearea a ON a.id = w.area_id ORDER BY w.id"""


def plain(text):
    """Without the blanks by which nothing differs."""
    return re.sub(r" ?([(),]) ?", r"\1", " ".join(text.split())) if isinstance(text, str) else text


def parts_of(statement: str) -> list[str]:
    """A CREATE TABLE of SQLite as its columns and constraints, in the order of the alphabet."""
    head, _, inside = plain(statement).rstrip().removesuffix(")").partition("(")
    parts, depth = [""], 0
    for letter in inside:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [head, *sorted(part.strip() for part in parts)]


def schema(database) -> dict[str, list]:
    if SERVER:
        rows = {kind: database.execute(statement) for kind, statement in CATALOGUE.items()}
        found = {kind: [tuple(map(plain, row)) for row in rows[kind]] for kind in rows}
    else:
        rows = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = {kind: [] for kind in ("table", "index", "trigger")}
        for kind, name, statement in rows:
            is_table = kind == "table" and "VIRTUAL" not in statement
            found[kind].append((name, parts_of(statement) if is_table else plain(statement)))
    found |= {"roles": database.execute(ROLES), "permissions": database.execute(PERMISSIONS)}
    return {kind: sorted(rows, key=repr) for kind, rows in found.items()}


@pytest.fixture
def old(tmp_path):
    database = old_database.load(tmp_path)
    yield database
    database.drop()


def forget(database, kept):
    """The rows of django_migrations as they were when the migration of that number was the last one."""
    for app, name in OLD[kept:]:
        database.execute("DELETE FROM django_migrations WHERE app = %s AND name = %s", app, name)


def test_a_database_at_the_last_old_one_is_taken_over_as_it_is(old, empty_database):
    before = old.execute(BOOKINGS)
    assert len(before) == 6
    done = manage(old, "migrate")
    assert done.returncode == 0, done.stderr
    assert not set(re.findall(r"Applying bookings\.(\w+)", done.stdout)) & SQUASHED.keys(), done.stdout
    assert old.execute(BOOKINGS) == before
    assert manage(old, "migrate", "--check").returncode == 0
    verified = manage(old, "verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")
    # And it is the same as a new one.
    one, other = schema(old), schema(empty_database)
    assert one.keys() == other.keys()
    for kind in one:
        assert one[kind] == other[kind], kind
        assert one[kind], kind


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX work_order_by_order_type",
        "ALTER TABLE bookings_workorder ADD COLUMN more integer DEFAULT 3",
        "DELETE FROM auth_group_permissions WHERE id = (SELECT MAX(id) FROM auth_group_permissions)",
        "DROP TRIGGER slot_has_changed ON bookings_appointmentslot" if SERVER else "DROP TRIGGER slot_has_changed",
    ],
)
def test_the_test_above_would_notice_a_difference(change, empty_database):
    before = schema(empty_database)
    empty_database.execute(change)
    assert schema(empty_database) != before


def test_one_that_stopped_between_old_ones_is_refused_in_a_sentence(old):
    forget(old, 30)
    before = schema(old), old.execute(BOOKINGS), old.execute("SELECT name FROM django_migrations ORDER BY id")
    for arguments in ([], ["--plan"], ["bookings"], ["--fake"]):
        refused = manage(old, "migrate", *arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"CommandError: {IN_BETWEEN}\n"
    after = schema(old), old.execute(BOOKINGS), old.execute("SELECT name FROM django_migrations ORDER BY id")
    assert after == before


def test_every_old_state_but_the_last_is_in_between_and_no_new_one_is():
    assert [kept for kept in range(len(OLD) + 1) if not is_in_between(set(OLD[:kept]))] == [0, len(OLD)]
    applied = set()
    for name, migration in SQUASHED.items():
        applied |= {*migration.replaces, ("bookings", name)}
        assert not is_in_between(applied), name


def test_a_new_database_that_was_interrupted_goes_on(empty_database, tmp_path):
    database = Database(None, tmp_path)
    try:
        for name in list(SQUASHED)[1::3]:  # of the tables, and of the triggers; each takes a second
            done = manage(database, "migrate", "bookings", name)
            assert done.returncode == 0, done.stderr
        assert manage(database, "migrate").returncode == 0
        assert schema(database) == schema(empty_database)
    finally:
        database.drop()
