"""One work order as a dispatcher reads it: what the columns hold, and what only the stored body does."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from bookings import clock, documents, pointers, wire
from bookings.admin import addresses
from bookings.models import HistoryEntry, RequiredPart, ServiceArea, WorkOrder

# More of them are found with the search.
SHOWN_RELATIVES = 10
# More of them are seen in the body.
SHOWN_UNREADABLE = 50
MAP = "https://www.openstreetmap.org/"

Facts = list[tuple[str, str]]


def unreadable(work_order: WorkOrder, job: wire.BookJob | None) -> str:
    """Which properties came and were read as absent, worked out from the body; empty where all were read."""
    if job is None:
        return ""
    body = documents.read_body(work_order.body.encode())
    ways = wire.unreadable(body.document)
    if not ways:
        return ""
    came = documents.document_as_it_came(body.text)
    names = [pointers.dotted(way) for way in pointers.ways_in(came, ways[:SHOWN_UNREADABLE])]
    more = f" and {len(ways) - len(names)} more" if len(ways) > len(names) else ""
    count = "1 property" if len(ways) == 1 else f"{len(ways)} properties"
    return f"{count} could not be read: {', '.join(names)}{more}"


def readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def map_link(work_order: WorkOrder, job: wire.BookJob | None) -> str:
    """Where the place is on a map: by its coordinates, else by its address; empty without either."""
    address = job.location.address if job else wire.Address()
    if address.lat is not None and address.lon is not None and (address.lat or address.lon):
        point = {"mlat": address.lat, "mlon": address.lon}
        return f"{addresses.with_query(MAP, point)}#map=17/{address.lat}/{address.lon}"
    text = " ".join(text for text in (work_order.address, work_order.postcode) if text)
    return addresses.with_query(f"{MAP}search", {"query": text}) if text else ""


def contacts(job: wire.BookJob | None) -> list[dict[str, Any]]:
    """The people to call, the primary contact first."""
    if job is None:
        return []
    people = [*job.location.contacts, *job.account.contacts]
    return [
        {
            "name": f"{person.first_name} {person.last_name}".strip() or "Contact",
            "is_primary": person.is_primary,
            "email": person.email,
            "phones": [phone for phone in person.phones if phone.phone_num],
        }
        for person in sorted(people, key=lambda person: not person.is_primary)
    ]


def customer_facts(work_order: WorkOrder, job: wire.BookJob | None) -> Facts:
    kinds = {"1001": "business", "1002": "residential"}
    account = job.account if job else wire.Account()
    return _filled(
        ("Account", work_order.account_num),
        ("Type", kinds.get(account.account_type, account.account_type)),
        ("Account notes", account.notes),
        ("Website", account.website),
    )


def place_facts(work_order: WorkOrder, job: wire.BookJob | None) -> Facts:
    location = job.location if job else wire.Location()
    return _filled(
        ("Location", " ".join(text for text in (work_order.location_num, work_order.location_name) if text)),
        ("Intersection", location.address.intersection),
        ("Notes", location.notes),
        ("E-mail", location.email),
        ("Signature", "required" if location.sig_req else ""),
        ("Purchase order", "required" if location.po_req else ""),
    )


def visit_facts(work_order: WorkOrder, job: wire.BookJob | None) -> Facts:
    """What the worker has to know at the door."""
    account = job.account if job else wire.Account()
    return [*place_facts(work_order, job), *_filled(("Account notes", account.notes))]


def assets(job: wire.BookJob | None, area: ServiceArea) -> list[dict[str, Any]]:
    """Each asset with its facts and its flex data, form by form."""
    if job is None:
        return []
    return [
        {
            "title": asset.desc or " ".join(text for text in (asset.mfg, asset.model) if text) or "Asset",
            "facts": _filled(
                ("Number", asset.asset_num),
                ("Make", asset.mfg),
                ("Model", asset.model),
                ("Product", asset.prod_num),
                ("Serial", asset.serial_num),
                ("Stands", asset.location),
                ("Status", asset.status),
                ("Type", asset.type),
                ("In service since", _day(asset.in_service_date, area)),
                ("Last service", _day(asset.last_service_date, area)),
                ("Service codes", ", ".join(asset.service_codes)),
                ("Service", ", ".join(asset.service_codes_desc)),
            ),
            "views": [
                {
                    "title": view.title or view.id,
                    "facts": _filled(*((item.label or item.id, _plain(item.value)) for item in view.items)),
                }
                for view in asset.flex_view
                if not view.delete
            ],
        }
        for asset in job.assets
        if not asset.delete
    ]


def flex_forms(job: wire.BookJob | None) -> list[dict[str, Any]]:
    """The flex data of the job and of the account."""
    if job is None:
        return []
    sources = [("", job.flex_attrs), ("Account: ", job.account.flex_attrs)]
    return [
        {"title": f"{prefix}{form}", "facts": _filled(*((name, ", ".join(values)) for name, values in attrs.items()))}
        for prefix, forms in sources
        for form, attrs in forms.items()
    ]


def part_groups(work_order: WorkOrder) -> list[dict[str, Any]]:
    """The parts by part order; what cannot be ordered comes last."""
    groups: dict[int | None, dict[str, Any]] = {}
    parts = work_order.required_parts.select_related("part_order").order_by("part_order_id", "position")
    for part in sorted(parts, key=lambda part: part.part_order_id is None):
        group = groups.setdefault(part.part_order_id, {"order": part.part_order, "parts": []})
        group["parts"].append(_line(part, work_order))
    return list(groups.values())


def parts(work_order: WorkOrder) -> list[dict[str, Any]]:
    """The parts in the order in which they came."""
    return [_line(part, work_order) for part in work_order.required_parts.all()]


def late_parts(work_orders: Iterable[int]) -> dict[int, int]:
    """For each of these work orders, by their keys, how many of its parts are expected after the visit begins."""
    late = RequiredPart.objects.filter(
        work_order__in=list(work_orders), estimated_delivery__gt=F("work_order__visit_start")
    )
    return dict(late.order_by().values_list("work_order").annotate(number=Count("pk")))


def history(entries: Iterable[HistoryEntry], area: ServiceArea, seen: set[int] | None = None) -> list[dict[str, Any]]:
    """The whole history, newest first: when on the area's clock, who, what, and what was before and after.

    `seen` are the areas of the reader (HistoryEntry.details_for).
    """
    return [
        {
            "entry": entry,
            "at": area.instant_text(entry.at),
            "changes": [
                (name, _plain(value, area))
                for name, value in entry.details_for(seen).items()
                if value not in ("", None, {})
            ],
        }
        for entry in sorted(entries, key=lambda entry: -entry.pk)
    ]


def relatives(work_order: WorkOrder, among: QuerySet[WorkOrder]) -> list[WorkOrder]:
    """Other bookings of the same original order or account that the viewer may see, newest first."""
    same = Q(original_order=work_order.original_order)
    if work_order.account_num:
        same |= Q(account_num=work_order.account_num)
    others = among.filter(same).exclude(pk=work_order.pk)
    return list(others.select_related("area", "slot").defer("body").order_by("-pk")[:SHOWN_RELATIVES])


def _filled(*facts: tuple[str, str]) -> Facts:
    return [(name, text) for name, text in facts if text]


def _plain(value: Any, area: ServiceArea | None = None) -> str:
    """A value of flex data or of the history, without the brackets of a program."""
    if isinstance(value, dict):
        shown = dict(value)
        if area and {"start", "end"} <= shown.keys():
            # A place in the calendar: its times as people say them. The body that was there before is long.
            start, end = (
                wire.Period.model_validate({"Start": shown["start"], "End": shown["end"]}).model_dump().values()
            )
            shown = {"": area.period_text(start, end), "worker": shown.get("worker")}
        return ", ".join(f"{name} {_plain(item)}".strip() for name, item in shown.items() if item not in ("", None))
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _day(found: date | None, area: ServiceArea) -> str:
    """A day is that day everywhere; a moment is on the area's clock."""
    if found is None:
        return ""
    day = clock.local(found, area.zone) if isinstance(found, datetime) else found
    return f"{day.day} {clock.MONTHS[day.month]} {day.year}"


def _line(part: RequiredPart, work_order: WorkOrder) -> dict[str, Any]:
    return {
        "part": part,
        "quantity": f"{part.quantity:f}".rstrip("0").rstrip("."),
        "due": _due(part, work_order),
        "is_late": _is_late(part, work_order),
    }


def _due(part: RequiredPart, work_order: WorkOrder) -> str:
    return work_order.area.instant_text(part.estimated_delivery) if part.estimated_delivery else ""


def _is_late(part: RequiredPart, work_order: WorkOrder) -> bool:
    return part.estimated_delivery is not None and part.estimated_delivery > work_order.visit_start
