"""What several migrations do alike: statements that differ by database, and permissions that Django has not made yet.

Migrations import from bookings/db alone, which stays where it is.
"""

from collections.abc import Callable
from typing import Any

Step = Callable[[Any, Any], None]


def statements(postgresql: str, sqlite: str) -> Step:
    """A step for RunPython. SQLite takes one statement at a time: a line of `--` parts them."""

    def run(apps: Any, schema_editor: Any) -> None:
        on_postgresql = schema_editor.connection.vendor == "postgresql"
        for statement in [postgresql] if on_postgresql else sqlite.split("--"):
            schema_editor.execute(statement)

    return run


def locked(*tables: str) -> Step:
    """A step for RunPython: lock these tables on PostgreSQL until the migration ends, beside statements of the service.

    Some of these name the tables in another order. So none is waited for long while another is held: all are let go
    and asked for again, before PostgreSQL sees a deadlock (after a second) and ends a booking or the migration.
    """
    return statements(LOCKED.format(tables=", ".join(tables)), "SELECT 1")


LOCKED = """
DO $$
BEGIN
    FOR attempt IN 1..300 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';
            LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
    RAISE lock_not_available USING MESSAGE = 'The tables are in use all the time. Run the migration again.';
END $$
"""


def permission(apps: Any, model: str, codename: str) -> Any:
    """Django makes the permissions only after all migrations; what is here by then it leaves as it is."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="bookings", model=model
    )
    options = apps.get_model("bookings", model)._meta
    names = dict(options.permissions) | {
        f"{action}_{model}": f"Can {action} {options.verbose_name_raw}" for action in options.default_permissions
    }
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": names[codename]}
    )
    return found
