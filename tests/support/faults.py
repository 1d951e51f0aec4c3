"""What a database raises that takes nothing right now."""

from django import db
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction


def internal(cause: type[Exception]) -> db.InternalError:
    fault = db.InternalError(f"PostgreSQL says {cause.__name__}")
    fault.__cause__ = cause()
    return fault


AWAY = [
    db.OperationalError("attempt to write a readonly database"),
    db.InterfaceError("connection already closed"),
    internal(ReadOnlySqlTransaction),
    internal(IdleInTransactionSessionTimeout),
]
OTHERS = [db.InternalError("could not open relation"), db.IntegrityError("x")]
