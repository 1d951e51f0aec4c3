"""Rival (a): the obvious way in Django REST framework: nested serializers, rows through the ORM, locks before writing.

A connection a request and the whole middleware, as Django's own template has them. The rows are the product's; the
strict reading of JSON and what lies beyond a booking that succeeds are left out, in favour of this rival.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.rival_drf_settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from datetime import UTC  # noqa: E402

from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import F, Max  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework import serializers, views  # noqa: E402
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.exceptions import ValidationError  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from bookings import documents, wire  # noqa: E402
from bookings.access import tokens  # noqa: E402
from bookings.models import (  # noqa: E402
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    RequiredPart,
    SearchDocument,
    ServiceArea,
    WorkOrder,
)
from bookings.services import search_terms  # noqa: E402
from bookings.telemetry import origin  # noqa: E402


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request):
        claims = tokens.read_token(request.headers.get("x-access-token", ""))
        return tokens.Caller(claims.get("sub", "")), claims


def text(**options):
    return serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", **options)


class Nested(serializers.Serializer):
    """ServiceMobility's names, every property optional."""


class PhoneSerializer(Nested):
    PhoneNum, PhoneType = text(), text()


class ContactSerializer(Nested):
    Email, FirstName, LastName = text(), text(), text()
    IsPrimary = serializers.BooleanField(default=False)
    Phones = PhoneSerializer(many=True, default=list)


class AddressSerializer(Nested):
    AddrLine1, AddrLine2, AddrLine3, AddrLine4, AddrType = text(), text(), text(), text(), text()
    City, Country, Intersection, Region, Zip = text(), text(), text(), text(), text()
    Lat = serializers.FloatField(required=False, allow_null=True)
    Lon = serializers.FloatField(required=False, allow_null=True)


class AccountSerializer(Nested):
    AccountNum, AccountType, Name, Notes, Website = text(), text(), text(), text(), text()
    Addresses = AddressSerializer(many=True, default=list)
    Contacts = ContactSerializer(many=True, default=list)


class ItemSerializer(Nested):
    ID, Label, Value = text(), text(), serializers.JSONField(required=False)
    Delete = serializers.BooleanField(default=False)


class ViewSerializer(Nested):
    ID, Title = text(), text()
    Items = ItemSerializer(many=True, default=list)
    Delete = serializers.BooleanField(default=False)


class AssetSerializer(Nested):
    AssetNum, Desc, Location, Mfg, Model, ProdNum, SerialNum = (text() for _ in range(7))
    Status, Type = text(), text()
    FlexForms = serializers.ListField(child=text(), default=list)
    FlexView = ViewSerializer(many=True, default=list)
    InServiceDate = serializers.DateTimeField(required=False, allow_null=True)
    LastServiceDate = serializers.DateTimeField(required=False, allow_null=True)
    ServiceCodes = serializers.ListField(child=text(), default=list)
    ServiceCodesDesc = serializers.ListField(child=text(), default=list)
    IsComponent = serializers.BooleanField(default=False)
    Delete = serializers.BooleanField(default=False)


class LocationSerializer(Nested):
    Address = AddressSerializer(default=dict)
    Contacts = ContactSerializer(many=True, default=list)
    Email, LanguageID, LocationNum, Name, Notes, ServiceAreaID, StorageLocationID = (text() for _ in range(7))
    POReq = serializers.BooleanField(default=False)
    SigReq = serializers.BooleanField(default=False)


class AttributesSerializer(Nested):
    Desc, ProdType = text(), text()
    IsBatch = serializers.BooleanField(default=False)
    IsInvCtrl = serializers.BooleanField(default=False)
    IsSerialized = serializers.BooleanField(default=False)


class PartSerializer(Nested):
    ProdNum, PartStatus = text(), text()
    ProdAttrs = AttributesSerializer(required=False)
    Qty = serializers.DecimalField(15, 4, default=1, min_value=0)


class OptionalTime(serializers.DateTimeField):
    def run_validation(self, data=serializers.empty):
        return super().run_validation(None if data == "" else data)


class RequiredPartSerializer(PartSerializer):
    EstimatedDelivery = OptionalTime(required=False, allow_null=True, default=None)
    PartOrderNum, ShipToLocation, Urgency = text(), text(), text()
    Price = serializers.DecimalField(15, 4, required=False, allow_null=True, default=None)
    SupersededParts = PartSerializer(many=True, default=list)


class PeriodSerializer(Nested):
    Start, End = serializers.DateTimeField(default_timezone=UTC), serializers.DateTimeField(default_timezone=UTC)


class ConstraintSerializer(Nested):
    ID, Desc, Type = text(), text(), text()
    Period = PeriodSerializer()


class BookJobSerializer(Nested):
    Account = AccountSerializer(default=dict)
    Assets = AssetSerializer(many=True, default=list)
    FlexAttrs = serializers.JSONField(default=dict)
    FlexForms = serializers.ListField(child=text(), default=list)
    Location = LocationSerializer(default=dict)
    OrderType, OriginalOrderNum, UserName = text(), text(), text()
    RequiredParts = RequiredPartSerializer(many=True, default=list)
    TimeConstraints = ConstraintSerializer(many=True)


class FollowupView(views.APIView):
    authentication_classes = (TokenAuthentication,)

    def post(self, request, order):
        body = request._request.body.decode()  # before the parser reads it away
        serializer = BookJobSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        work_order = self.book(order, serializer.validated_data, body, request)
        answer = [
            {
                "PartOrderNum": part_order.part_order_num,
                "Parts": [part.prod_num for part in part_order.required_parts.all()],
            }
            for part_order in work_order.part_orders.all()
        ]
        return Response({"OrderNum": work_order.order_num, "OrderedParts": answer})

    @transaction.atomic
    def book(self, order, job, body, request):
        period, place, account = job["TimeConstraints"][0]["Period"], job["Location"], job["Account"]
        address, now = place["Address"], timezone.now()
        if WorkOrder.objects.filter(original_order=order, status="booked").exists():
            raise ValidationError("already booked")
        area = ServiceArea.objects.get(code=place["ServiceAreaID"])
        slots = AppointmentSlot.objects.select_for_update().filter(
            area=area, start=period["Start"], end=period["End"], order_type__in=["", job["OrderType"]], is_open=True,
            blackout=None, is_withdrawn=False, start__gt=now, booked__lt=F("capacity"),
        )  # fmt: skip
        slot = min(slots, key=lambda slot: slot.booked - slot.capacity)
        # The number is the key, and both are known only after it was drawn.
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('bookings_workorder_id_seq')")
            (key,) = cursor.fetchone()
        came = documents.read_body(body.encode())
        names = ("AddrLine1", "AddrLine2", "AddrLine3", "AddrLine4", "City", "Region", "Country")
        lines = [address[name] for name in names]
        due = [part["EstimatedDelivery"] for part in job["RequiredParts"] if part["EstimatedDelivery"]]
        phones = [phone["PhoneNum"] for contact in place["Contacts"] for phone in contact["Phones"]]
        rows = [(part, ordered) for part in job["RequiredParts"] for ordered in part["SupersededParts"] or [part]]
        work_order = WorkOrder.objects.create(
            pk=key, order_num=f"{settings.BOOKJOB_ORDER_PREFIX}{key}", original_order=order, claim=order, slot=slot,
            area=area, visit_start=slot.start, account_num=account["AccountNum"], account_name=account["Name"],
            location_num=place["LocationNum"], location_name=place["Name"],
            address=", ".join(line for line in lines if line),
            postcode=address["Zip"], phone=phones[0] if phones else "", order_type=job["OrderType"],
            worker=job["UserName"], part_count=len(rows),
            parts_due_at=max(due, default=None),
            body=body,
            fingerprint=came.fingerprint,
            caller=request.user.name, created_at=now, changed_at=now,
            booked_after=WorkOrder.objects.filter(original_order=order).aggregate(last=Max("pk"))["last"] or 0,
        )  # fmt: skip
        for position, (part, ordered) in enumerate(rows):
            given = part["PartOrderNum"]
            wanted = (
                {"part_order_num": given} if given else
                {"is_issued_here": True, "ship_to_location": part["ShipToLocation"], "urgency": part["Urgency"]}
            )  # fmt: skip
            part_order = PartOrder.objects.filter(work_order=work_order, **wanted).first()
            if part_order is None:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT nextval('bookings_partorder_id_seq')")
                    (part_key,) = cursor.fetchone()
                number = given or f"{settings.BOOKJOB_PART_ORDER_PREFIX}{part_key}"
                row = {"is_issued_here": False} | wanted | {"part_order_num": number}
                part_order = PartOrder.objects.create(pk=part_key, work_order=work_order, **row)
            RequiredPart.objects.create(
                work_order=work_order, part_order=part_order, position=position, prod_num=ordered["ProdNum"],
                replaces="" if ordered is part else part["ProdNum"],
                description=ordered.get("ProdAttrs", {}).get("Desc", ""), quantity=ordered["Qty"],
                price=part["Price"] if ordered is part else None, part_status=ordered["PartStatus"],
                ship_to_location=part["ShipToLocation"], urgency=part["Urgency"],
                estimated_delivery=part["EstimatedDelivery"],
            )  # fmt: skip
        words = [
            word for part, ordered in rows for word in (ordered["ProdNum"], "" if ordered is part else part["ProdNum"])
        ]
        words += [part_order.part_order_num for part_order in work_order.part_orders.all()]
        customer = wire.Customer.model_validate(came.document)
        SearchDocument.objects.create(
            work_order=work_order,
            words=search_terms.words_of(vars(work_order), customer, numbers=words, slot_worker=slot.worker),
        )
        after = {
            "slot": slot.pk, "area": slot.area_id, "start": slot.start.isoformat(), "end": slot.end.isoformat(),
            "worker": slot.worker,
        }  # fmt: skip
        HistoryEntry.objects.create(
            work_order=work_order, event="booked", at=now, by=request.user.name, via="api",
            request_id=origin.current.get().request_id, details={"after": after, "fingerprint": work_order.fingerprint},
        )  # fmt: skip
        slot.booked += 1
        slot.save(update_fields=["booked"])
        return work_order


def ready(request):
    return JsonResponse({"status": "ok"})


urlpatterns = [path("readyz", ready), path("api/v1/workorders/<path:order>/followup", FollowupView.as_view())]
