"""A database as the last of the old migrations left it, with a few bookings: those of before the first release."""

import contextlib
import sqlite3
from pathlib import Path

import psycopg

from tests.conftest import SERVER, Database

DUMPS = Path(__file__).parent.parent / "operations" / "last_old_migrations"


def load(folder: Path, server: str = SERVER) -> Database:
    database = Database(None, folder, server)
    if server:
        with psycopg.connect(database.url) as connection:
            connection.execute((DUMPS / "postgresql.sql").read_text())
    else:
        with contextlib.closing(sqlite3.connect(database.file)) as connection, connection:
            connection.executescript((DUMPS / "sqlite.sql").read_text())
    return database
