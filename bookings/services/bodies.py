"""How the bodies of new work orders are kept: packed, once every process of the service can read that.

The release before cannot. So a new database begins with it, and an old one when `index_work_orders` is run after the
upgrade; its option `--unpack` takes it back.
"""

from django.db import transaction

from bookings.db import packing
from bookings.models import Counter, PackedBody, WorkOrder

BATCH = 500


def pack_from_now_on() -> None:
    Counter.objects.update_or_create(name=packing.PACKED, defaults={"value": 1})


def unpack() -> int:
    """Keep bodies as texts from now on, and write those that are packed as texts, in short transactions; says how many.

    A process that packs on for a minute, or books meanwhile, leaves some: then it is run again.
    """
    Counter.objects.update_or_create(name=packing.PACKED, defaults={"value": 0})
    count = 0
    while keys := list(PackedBody.objects.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            # The work orders first, as those who change them do.
            list(WorkOrder.objects.filter(pk__in=keys).order_by("pk").select_for_update().values_list("pk"))
            for packed in PackedBody.objects.filter(pk__in=keys):
                text = packing.unpack(bytes(packed.content))
                WorkOrder.objects.filter(pk=packed.pk, body="").update(body=text)
            forget(keys)
        count += len(keys)
    return count


def forget(work_orders: list[int]) -> None:
    """Those whose column holds another body, or that are removed."""
    PackedBody.objects.filter(work_order__in=work_orders).delete()
