"""Which faults of a database pass by themselves, and how to go on after one."""

import errno

from django import db
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, TransactionTimeout

# Of a standby; and of a server that ended the session of a process that stood still.
NOT_NOW = (ReadOnlySqlTransaction, IdleInTransactionSessionTimeout, TransactionTimeout)


def is_away(exception: BaseException) -> bool:
    """Whether the database, or the disk, takes nothing right now: away, locked, read-only or full."""
    match exception:
        case db.OperationalError() | db.InterfaceError():
            return True
        case db.InternalError():
            return isinstance(exception.__cause__, NOT_NOW)
        case OSError():
            return exception.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT)
    return False


def raise_unless_away(fault: Exception) -> None:
    """For what says itself how far it came. What it says next goes to a new connection, if this one was a standby's."""
    if not is_away(fault):
        raise fault
    leave_standby(fault)


def leave_standby(fault: Exception) -> None:
    """The next connection may reach the primary."""
    if isinstance(fault, db.InternalError) and not db.connection.in_atomic_block:
        db.connection.close()
