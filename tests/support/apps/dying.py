"""The service that is killed between two steps of its work with the database. Never part of the product.

The request with the id `die-at-7` ends the process before its eighth step. A step is a statement, and where that is a
transaction by itself what comes after it, or the moment before or after a commit. With HALFWAY in the environment a
booking is not one transaction: what the tests must see.
"""

import contextlib
import os
import signal
import threading
from types import SimpleNamespace

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from bookings.db import sql
from bookings.services import changes, rows
from bookings.telemetry import origin

taken = threading.local()
commit = BaseDatabaseWrapper._commit


def step():
    request_id = origin.current.get().request_id
    if not request_id.startswith("die-at-"):
        return
    if getattr(taken, "request_id", "") != request_id:
        taken.request_id, taken.steps = request_id, 0
    if taken.steps == int(request_id.removeprefix("die-at-")):
        os.kill(os.getpid(), signal.SIGKILL)
    taken.steps += 1


def around_each_statement(execute, text, values, many, context):
    step()
    result = execute(text, values, many, context)
    if not context["connection"].in_atomic_block:  # it is a transaction by itself
        step()
    return result


def around_each_commit(connection):
    step()
    commit(connection)
    step()


def watch(connection, **kwargs):
    if around_each_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(around_each_statement)


connection_created.connect(watch)
BaseDatabaseWrapper._commit = around_each_commit
if os.environ.get("HALFWAY"):
    changes.transaction = sql.transaction = SimpleNamespace(atomic=contextlib.nullcontext)
    sql.write_if = sql.write_step_by_step
    # What is written step by step has its numbers before.
    before_the_write = rows.numbers_before_the_write
    rows.numbers_before_the_write = lambda plan, passing_over: before_the_write(plan, passing_over=True)
