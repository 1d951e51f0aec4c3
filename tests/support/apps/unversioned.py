"""The service whose changes look at no version, and whose Idempotency-Keys are not read. Never part of the product."""

import time

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.db.models import F, Q

from bookings.api import idempotency
from bookings.models import WorkOrder
from bookings.services import changes


def change_unguarded(work_order, only_if, now, seen_version=None, **columns):
    time.sleep(0.1)  # by then the others have read the order, too
    WorkOrder.objects.filter(Q(pk=work_order.pk)).update(
        changed_at=now, change_num=None, version=F("version") + 1, **columns
    )


changes.change = change_unguarded
idempotency._key_of = lambda request: ""
