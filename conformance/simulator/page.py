"""The page for people: what each technician's device shows, what was told, the last calls, and the forms.

No script, one style sheet within it; it is drawn anew with each request.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from conformance.simulator.faults import ANSWERS, CONNECTIONS, FAULTS
from conformance.simulator.orders import STATUSES, Document, read_instant

if TYPE_CHECKING:
    from conformance.simulator.server import Simulator

LAST_CALLS = 30
SHOWN_OF_A_DEVICE = 50

STYLE = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #5a6372; --card: #f5f6f8; --bad: #b00020 }
@media (prefers-color-scheme: dark) { :root { --line: #3f4652; --soft: #a8b0bd; --card: #22262d; --bad: #ff8a93 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } h3 { font-size: 1rem; margin: 0 }
p { margin: .25rem 0 } .soft { color: var(--soft) } .bad { color: var(--bad) }
.devices { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)) }
.device { border: 1px solid var(--line); border-radius: 1rem; padding: 1rem }
.order { background: var(--card); border-radius: .5rem; margin-top: .75rem; padding: .75rem; overflow-wrap: anywhere }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; margin: .5rem 0 }
label { display: grid; min-width: 0; max-width: 100%; color: var(--soft) }
select, input, button { font: inherit; min-height: 2.75rem; min-width: 0; max-width: 100% }
button { padding: 0 1rem } .scroll { overflow-x: auto } table { border-collapse: collapse; min-width: 34rem }
th, td { text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
"""


def page(simulator: Simulator) -> str:
    devices = simulator.devices()
    waiting = devices.pop("", [])
    shown = "".join(_device(worker, orders) for worker, orders in devices.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>ServiceMobility, simulated</title><style>{STYLE}</style></head><body>
<header><h1>ServiceMobility, simulated</h1>
<p class="soft">What the technicians' devices would show now. <a href="/">Look again</a></p></header>
<main><h2>Devices</h2>{f'<div class="devices">{shown}</div>' if shown else "<p>No work order is on a device.</p>"}
<h2>On no device</h2>{_waiting(waiting)}
<h2>Act as a technician</h2>{_technician()}
<h2>Faults</h2>{_faults(simulator)}
<h2>Told to technicians</h2>{_told(simulator)}
<h2>Last calls</h2>{_calls(simulator)}</main></body></html>
"""


def _device(worker: str, orders: list[Document]) -> str:
    cards = "".join(map(_order, orders[:SHOWN_OF_A_DEVICE]))
    more = len(orders) - SHOWN_OF_A_DEVICE
    left_out = f'<p class="soft">And {more} more.</p>' if more > 0 else ""
    return f'<section class="device"><h3>{escape(worker)}</h3>{cards}{left_out}</section>'


def _waiting(orders: list[Document]) -> str:
    if not orders:
        return "<p>None. Each work order has a worker and a time.</p>"
    more = f"<p>And {len(orders) - SHOWN_OF_A_DEVICE} more.</p>" if len(orders) > SHOWN_OF_A_DEVICE else ""
    return f'<div class="devices">{"".join(map(_order, orders[:SHOWN_OF_A_DEVICE]))}</div>{more}'


def _order(order: Document) -> str:
    lines = [
        _period(order),
        f"{order['OrderNum']} · {STATUSES.get(order.get('OrderStatus', 1), order.get('OrderStatus'))}",
        " · ".join(filter(None, [_text(order.get("OrderType")), _text(order.get("Description"))])),
        _customer(order),
        _parts(order),
        *(f"Note: {_text(note.get('Text'))}" for note in _objects(order.get("Notes"))),
    ]
    first, *others = [escape(line) for line in lines if line]
    return f'<article class="order"><strong>{first}</strong>{"".join(f"<p>{line}</p>" for line in others)}</article>'


def _period(order: Document) -> str:
    start, end = read_instant(order.get("PlannedStartDate")), read_instant(order.get("PlannedEndDate"))
    if start is None:
        return "No time yet"
    return f"{start:%a} {start.day} {start:%b %Y, %H:%M}{f'-{end:%H:%M}' if end else ''} UTC"


def _customer(order: Document) -> str:
    account, location = _object(order.get("Account")), _object(order.get("Location"))
    address = _object(location.get("Address"))
    known = [account.get("Name") or account.get("AccountNum"), location.get("Name") or location.get("LocationNum")]
    place = [address.get("AddrLine1"), address.get("Zip"), address.get("City")]
    return ", ".join(filter(None, map(_text, known + place)))


def _parts(order: Document) -> str:
    parts = [
        f"{_text(part.get('ProdNum'))} x {_text(part.get('Qty', 1))}" for part in _objects(order.get("RequiredParts"))
    ]
    return f"Parts: {', '.join(parts)}" if parts else ""


def _told(simulator: Simulator) -> str:
    told = list(simulator.orders.told)[-LAST_CALLS:][::-1]
    return "".join(f"<p>{escape(text)}</p>" for text in told) or "<p>Nothing yet.</p>"


def _calls(simulator: Simulator) -> str:
    rows = "".join(
        f"<tr><td>{call.at:%H:%M:%S}<td>{escape(call.method)}<td>{escape(f'{call.what} {call.order}')}"
        f"<td>{call.status or 'no answer'}<td>{escape(call.fault)}</tr>"
        for call in simulator.calls[-LAST_CALLS:][::-1]
    )
    if not rows:
        return "<p>Nothing has called yet.</p>"
    head = "<tr><th>UTC<th>Method<th>What<th>Answer<th>Fault</tr>"
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


# --- The forms ---------------------------------------------------------------------------------------------------


def _options(values: dict[str, str]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in values.items())


def _technician() -> str:
    acts = {str(code): f"{code}, {word}" for code, word in STATUSES.items()}
    return f"""<form method="post" action="/technician"><label>Work order <input name="order" required></label>
<label>OrderStatus <select name="status">{_options(acts)}</select></label><label>Note <input name="note"></label>
<button>Set</button></form>"""


def _faults(simulator: Simulator) -> str:
    words = {name: f"{name}: {instead.status}" for name, instead in ANSWERS.items()}
    words |= {name: f"{name}: {text}" for name, text in CONNECTIONS.items()}
    on = "".join(f'<p class="bad">On: {escape(_fault_text(fault))}</p>' for fault in list(simulator.faults.on))
    clear = '<form method="post" action="/clear"><button>Switch all off</button></form>' if on else ""
    return f"""{on}{clear}<form method="post" action="/fault">
<label>Fault <select name="name">{_options(words)}</select></label>
<label>Method, empty for any <input name="method" placeholder="PUT DELETE"></label>
<label>Work order, empty for any <input name="order"></label>
<label>Times, empty for ever <input name="times" inputmode="numeric"></label><button>Switch on</button></form>"""


def _fault_text(fault: Any) -> str:
    where = " ".join(filter(None, [fault.method, fault.order])) or "all calls"
    return f"{fault.name}, {where}{f', {fault.times} times' if fault.times is not None else ''}"


def _add_fault(simulator: Simulator, fields: dict[str, str]) -> None:
    if fields.get("name") not in FAULTS:
        raise ValueError("There is no such fault.")
    times = fields.get("times", "")
    if times and not (times.isdecimal() and 0 < int(times[:9]) < 10**6):
        raise ValueError("Times is no number.")
    simulator.add_fault(
        fields["name"],
        method=fields.get("method", "").upper(),
        order=fields.get("order", ""),
        times=int(times) if times else None,
    )


def _clear(simulator: Simulator, fields: dict[str, str]) -> None:
    simulator.faults.clear()


def _act(simulator: Simulator, fields: dict[str, str]) -> None:
    status = fields.get("status", "")
    if not (status.isdecimal() and int(status[:9]) in STATUSES):
        raise ValueError("There is no such OrderStatus.")
    simulator.orders.act(fields.get("order", ""), int(status), fields.get("note", ""))


FORMS: dict[str, Callable[[Simulator, dict[str, str]], None]] = {
    "fault": _add_fault,
    "clear": _clear,
    "technician": _act,
}


# --- Whatever was put --------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:300]


def _object(value: Any) -> Document:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Document]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
