"""The bodies that are sent: filled to the brim, blank, and spelled as the vendor's own samples are."""

from datetime import datetime
from typing import Any

from conformance.plan import Plan


def vendor_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}Z"


def part(number: str, **properties: Any) -> dict[str, Any]:
    return {"ProdNum": number, "Qty": 1.0, **properties}


def with_address_lines(location: dict[str, Any]) -> dict[str, Any]:
    address = {"AddrLine1": "1 Check Street"} | location.get("Address", {})
    return location | {"Address": {name.replace("AddrLine", "AddressLine"): text for name, text in address.items()}}


def with_loc_number(location: dict[str, Any]) -> dict[str, Any]:
    renamed = {"LocNumber" if name == "LocationNum" else name: value for name, value in location.items()}
    return {"LocNumber": "CHECK-LOCATION"} | renamed


def blanks(plan: Plan) -> dict[str, Any]:
    location = plan.location
    address = {"Lat": "", "Lon": None, "Intersection": ""} | location.get("Address", {})
    return {
        "Assets": None,
        "FlexAttrs": None,
        "FlexForms": "",
        "Location": {"Contacts": None, "Email": "", "SigReq": None} | location | {"Address": address},
        "RequiredParts": [part(plan.parts[0], EstimatedDelivery="", Price=None, SupersededParts=None, Urgency="")],
        "UserName": "",
    }


def full(plan: Plan, body: dict[str, Any]) -> dict[str, Any]:
    """The body with every property of the contract that it does not have yet."""
    plain, replaced, replacement = plan.parts
    attributes = {
        "Desc": "Drain pump",
        "IsBatch": False,
        "IsInvCtrl": True,
        "IsSerialized": False,
        "ProdType": "1001",
    }
    location = {"Email": "", "LanguageID": "en", "Name": "Home", "Notes": "Ring twice", "POReq": False, "SigReq": True}
    address = {
        "AddrLine1": "14 Mill Lane",
        "AddrLine2": "Flat 2",
        "AddrLine3": "",
        "AddrLine4": "",
        "AddrType": "1001",
        "Intersection": "",
        "Lat": "53.7974",
        "Lon": "-1.5438",
        **plan.location.get("Address", {}),
    }
    return body | {
        "Account": {"AccountType": "1002", "Name": "Conformance check", "Notes": "", "Website": ""} | body["Account"],
        "Assets": [_asset()],
        "FlexAttrs": {"followup": {"visitLength": ["60"]}},
        "FlexForms": ["followup"],
        "Location": {**location, "Contacts": [_contact()], **plan.location, "Address": address},
        "RequiredParts": [
            part(plain, PartStatus="on order", Price=48.5, ShipToLocation="1001", Urgency="1001"),
            part(replaced, SupersededParts=[part(replacement, PartStatus="in stock", ProdAttrs=attributes)]),
        ],
        "UserName": "check.worker",
    }


def _contact() -> dict[str, Any]:
    return {
        "Email": "check@example.com",
        "FirstName": "Conformance",
        "LastName": "Check",
        "IsPrimary": True,
        "Phones": [{"PhoneNum": "+44 113 496 0000", "PhoneType": "1001"}],
    }


def _asset() -> dict[str, Any]:
    return {
        "AssetNum": "CHECK-ASSET",
        "Desc": "Dishwasher, built-in",
        "FlexForms": [],
        "FlexView": [
            {
                "ID": "warranty",
                "Title": "Warranty",
                "Items": [{"ID": "until", "Label": "Valid until", "Value": "2027-03-31", "Delete": False}],
                "Delete": False,
            }
        ],
        "InServiceDate": "2024-04-02T00:00:00.000Z",
        "IsComponent": False,
        "LastServiceDate": "2026-01-14T09:20:00.000Z",
        "Location": "Kitchen",
        "Mfg": "Nordhaus",
        "Model": "NH-450",
        "ProdNum": "NH450",
        "SerialNum": "450-00193-7",
        "ServiceCodes": ["10", "1040"],
        "ServiceCodesDesc": ["Water", "Does not drain"],
        "Status": "1001",
        "Type": "1003",
        "Delete": False,
    }


def reversed_keys(value: Any) -> Any:
    """The same JSON value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value
