"""Uses the Python client generated from openapi.yaml, and prints what it was told (tests/api/test_clients.py)."""

import json
import sys

from bookjob_client import AuthenticatedClient, Client
from bookjob_client.api.appointments import search_appointments
from bookjob_client.api.auth import log_in
from bookjob_client.api.workorders import book_followup, read_work_orders
from bookjob_client.models import Account, BookJob, ChosenTime, Location, LogIn, Period, Search

url, order, username, password = sys.argv[1:]

token = log_in.sync(client=Client(url), body=LogIn(username=username, password=password)).token
api = AuthenticatedClient(url, token=token, prefix="", auth_header_name="x-access-token")

place = Location(location_num="L-1", service_area_id="LEEDS")
offer = search_appointments.sync(client=api, body=Search(location=place)).time_constraints[0]


def book(chosen: ChosenTime, order: str = order):
    body = BookJob(account=Account(account_num="C-1"), location=place, time_constraints=[chosen])
    return book_followup.sync(order, client=api, body=body)


booked = book(ChosenTime(id=offer.id))
full = book(ChosenTime(period=Period(offer.period.start, offer.period.end)), f"{order}-2").detail.params
page = read_work_orders.sync(client=api, limit=1)
last = read_work_orders.sync(client=api, cursor=page.next_)
print(
    json.dumps(
        {
            "booked": booked.order_num,
            "refused": [full.error.value, full.reason.value, full.alternatives[0].period.start.isoformat()],
            "feed": [[read.order_num, read.status.value, read.place.desc] for read in page.work_orders],
            "rest": [last.work_orders, last.more],
        }
    )
)
