"""A small implementation of the two interfaces, right unless one fault is switched on by its name.

It is what check_contract has to find fault with: FAULTS names, for every check, what turns it red.
"""

import contextlib
import itertools
import json
import re
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import jwt

KEY = "the-key-of-the-stand-in-0123456789abcdef"
PLACES = 3  # free places of every period
PERIODS = 12  # no more than a run needs: each search offers, sends and reads them all

# fault -> the one check that it turns red; those that need this one are skipped.
FAULTS = {
    "search_created": "search_answers",
    "search_html": "search_answers",
    "offer_without_desc": "search_shape",
    "offer_in_local_time": "search_shape",
    "status_msg_list": "search_shape",
    "nothing_offered": "search_offers",
    "offer_ends_before_start": "search_periods",
    "offer_in_the_past": "search_periods",
    "unsorted": "search_sorted",
    "period_twice": "search_distinct",
    "new_ids": "search_ids_stable",
    "no_reason": "search_nothing",
    "unknown_area_404": "search_nothing",
    "unknown_area_ignored": "search_nothing",
    "parts_ignored": "search_waits_for_parts",
    "customer_ignored": "search_customer_times",
    "search_assets_refused": "search_full_body",
    "search_one_constraint_refused": "search_spellings",
    "search_reads_anything": "search_refuses_bad_bodies",
    "header_case_matters": "header_any_case",
    "charset_refused": "content_type_with_charset",
    "get_is_fine": "wrong_method",
    **{
        f"{where}_accepts_{kind}": f"{where}_{kind}_token"
        for where in ("search", "book")
        for kind in ("missing", "garbage", "unsigned", "expired", "forged")
    },
    "book_created": "book_offer",
    "no_order_num": "book_offer",
    "parts_as_text": "ordered_parts_shape",
    "no_part_order_num": "ordered_parts_shape",
    "part_left_out": "ordered_parts_complete",
    "part_twice": "ordered_parts_complete",
    "both_parts": "ordered_parts_complete",
    "part_order_for_nothing": "no_parts",
    "books_before_logon": "bad_tokens_book_nothing",
    "id_required": "book_without_id",
    "offset_refused": "book_other_offset",
    "precision_refused": "book_other_precision",
    "assets_refused": "book_full_body",
    "qty_colon_refused": "book_qty_colon",
    "address_line_refused": "book_address_line",
    "loc_number_refused": "book_loc_number",
    "null_refused": "book_blanks",
    "one_constraint_refused": "book_one_constraint",
    "numeric_type_refused": "book_numeric_type",
    "unknown_refused": "book_unknown_properties",
    "id_alone_refused": "book_id_alone",
    "numbers_refused": "book_numbers",
    "wrong_types_refused": "book_wrong_types",
    "other_original_order_refused": "book_other_original_order",
    "slash_in_order_lost": "book_odd_order_number",
    "repeat_new_number": "repeat_same_body",
    "repeat_other_parts": "repeat_same_body",
    "repeat_by_order_of_keys": "repeat_reordered",
    "absent_counts": "repeat_normalised",
    "copies_race": "repeat_at_once",
    "other_body_booked": "other_body",
    "other_period_loses_first": "other_period",
    "late_copy_moves_back": "late_copy",
    "late_copy_says_nothing": "late_copy",
    "cancelled_booked_again": "late_copy_cancelled",
    "cancelled_says_nothing": "late_copy_cancelled",
    "unknown_period_booked": "refuses_unknown_period",
    "no_period_chosen_here": "refuses_no_period",
    "wrong_types_409": "refuses_wrong_types",
    "no_json_500": "refuses_no_json",
    "array_read": "refuses_array",
    "content_type_ignored": "refuses_content_type",
    "refused_but_booked": "refusals_book_nothing",
    "overbooks": "race",
    "no_order_wins": "race",
    "full_is_422": "race",
    "copy_hears_full": "race_copies",
    "offers_full": "full_period_not_offered",
    "full_forgets": "repeat_when_full",
    "number_twice": "order_numbers_distinct",
    "text_plain": "answers_are_json",
    "own_error_body": "error_bodies",
    "code_as_text": "error_bodies",
    "error_code_wrong": "error_bodies",
    "stack_trace": "no_inner_details",
}


class Refusal(Exception):
    def __init__(self, status, word, path="", **params):
        super().__init__(word)
        self.status, self.word, self.path, self.params = status, word, path, params


class StandIn:
    """Serves on a free port while it is entered. `policy` is single, multiple or move."""

    def __init__(self, fault="", policy="single", documented_statuses_only=False, places=PLACES):
        assert not fault or fault in FAULTS
        self.fault, self.policy, self.documented, self.places = fault, policy, documented_statuses_only, places
        self.search_path, self.book_path = "/api/v1/appointments/search", "/api/v1/workorders/([^/]+)/followup"
        self.cancel_path = "/api/v1/workorders/([^/]+)/cancel"
        self.cancelled = []  # of those that were in bookings
        if self.has("late_copy_moves_back", "late_copy_says_nothing"):
            self.policy = "move"
        self.always = None  # (status, bytes): the answer to everything
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.bookings = []  # dicts: order, period, body (as JSON or text), answer
        self.calls = defaultdict(int)
        days = -1 if self.has("offer_in_the_past") else 1
        start = (datetime.now(UTC) + timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
        self.periods = [
            (start + timedelta(hours=2 * index), start + timedelta(hours=2 * index + 2)) for index in range(PERIODS)
        ]

    def __enter__(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                stand_in.answer(self)

            def do_GET(self):
                stand_in.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 200

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def has(self, *faults):
        return self.fault in faults

    # HTTP.

    def answer(self, handler):
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        status, document, kind = 200, None, "text/plain" if self.has("text_plain") else "application/json"
        try:
            document = self.read(handler, raw)
            if self.has("search_created") and "search" in handler.path:
                status = 202
            if self.has("book_created") and "followup" in handler.path:
                status = 201
        except Refusal as refusal:
            status, document = refusal.status, self.error(refusal)
            if self.documented and status != 401:
                status = 500
        content = json.dumps(document).encode()
        if self.has("search_html") and "search" in handler.path:
            content, kind = b"<p>Welcome</p>", "text/html"
        if self.always:
            status, content = self.always
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(content)

    def error(self, refusal):
        detail = {
            "message": f"Refused: {refusal.word}.",
            "params": {"error": refusal.word} | refusal.params,
            "dataPath": refusal.path,
        }
        code = refusal.status
        if self.has("own_error_body"):
            return {"error": refusal.word}
        if self.has("code_as_text"):
            code = str(code)
        if self.has("error_code_wrong"):
            code = 1
        if self.has("stack_trace") and refusal.status == 400:
            detail["message"] = 'Traceback (most recent call last): File "app.py", line 1'
        return {"code": code, "detail": detail}

    def read(self, handler, raw):
        search, followup = handler.path == self.search_path, re.fullmatch(self.book_path, handler.path)
        if cancel := re.fullmatch(self.cancel_path, handler.path):
            self.log_on(handler.headers, "cancel")
            return self.cancel(unquote(cancel[1]))
        if not (search or followup):
            raise Refusal(404, "not_found")
        order = unquote(followup[1]) if followup else ""
        try:
            self.log_on(handler.headers, "search" if search else "book")
        except Refusal:
            if self.has("books_before_logon") and followup:
                self.book(order, json.loads(raw))
            raise
        if handler.command != "POST":
            if self.has("get_is_fine"):
                return {}
            raise Refusal(405, "method_not_allowed")
        content_type = handler.headers.get("Content-Type", "")
        if "charset" in content_type and self.has("charset_refused"):
            raise Refusal(415, "unsupported_media_type")
        if content_type.split(";")[0] != "application/json" and not (followup and self.has("content_type_ignored")):
            if self.has("refused_but_booked"):
                self.book(order, json.loads(raw))
            raise Refusal(415, "unsupported_media_type")
        try:
            body = json.loads(raw)
        except ValueError:
            if search and self.has("search_reads_anything"):
                return {"StatusMsg": "", "TimeConstraints": []}
            raise Refusal(500 if followup and self.has("no_json_500") else 400, "invalid_request") from None
        if isinstance(body, list) and followup and self.has("array_read"):
            body = body[0]
        if not isinstance(body, dict):
            raise Refusal(400, "invalid_request")
        return self.search(body) if search else self.book(order, body)

    def log_on(self, headers, where):
        accepted = self.fault.removeprefix(f"{where}_accepts_")
        token = headers.get("x-access-token")
        if self.has("header_case_matters") and "X-ACCESS-TOKEN" in headers.keys():  # noqa: SIM118
            token = None
        if token is None:
            if accepted == "missing":
                return
            raise Refusal(401, "invalid_logon")
        if token.count(".") != 2 and accepted == "garbage":
            return
        try:
            if jwt.get_unverified_header(token)["alg"] == "none" and accepted == "unsigned":
                return
            if jwt.get_unverified_header(token)["alg"] != "HS256":
                raise Refusal(401, "invalid_logon")
            options = {"verify_signature": accepted != "forged", "verify_exp": accepted != "expired"}
            jwt.decode(token, KEY, algorithms=["HS256"], options=options)
        except jwt.PyJWTError:
            raise Refusal(401, "invalid_logon") from None

    # The search.

    def search(self, body):
        self.check_types(body)
        if self.has("search_assets_refused") and body.get("Assets"):
            raise Refusal(400, "invalid_request", "/Assets")
        constraints = body.get("TimeConstraints") or []
        if isinstance(constraints, dict):
            if self.has("search_one_constraint_refused"):
                raise Refusal(400, "invalid_request", "/TimeConstraints")
            constraints = [constraints]
        area = (body.get("Location") or {}).get("ServiceAreaID")
        if area and self.has("unknown_area_404"):
            raise Refusal(404, "no_area")
        periods = [
            period
            for period in self.periods
            if self.taken(period) < self.places or (self.has("offers_full") and period == self.periods[-1])
        ]
        if area and self.has("unknown_area_ignored"):
            return self.offered(periods)
        if area or self.has("nothing_offered"):
            return {"StatusMsg": "" if self.has("no_reason") else "There is no such area.", "TimeConstraints": []}
        if constraints and not self.has("customer_ignored"):
            wishes = [
                tuple(instant(constraint["Period"][key]) for key in ("Start", "End")) for constraint in constraints
            ]
            periods = [
                (start, end) for start, end in periods if any(first <= start and end <= last for first, last in wishes)
            ]
        for part in body.get("RequiredParts") or []:
            if part.get("EstimatedDelivery") and not self.has("parts_ignored"):
                periods = [period for period in periods if period[0] >= instant(part["EstimatedDelivery"])]
        return self.offered(periods)

    def offered(self, periods):
        offers = [self.offer(start, end) for start, end in periods]
        if offers:
            period = offers[0]["Period"]
            if self.has("offer_without_desc"):
                del offers[0]["Desc"]
            if self.has("offer_in_local_time"):
                period["Start"] = period["Start"].rstrip("Z")
            if self.has("offer_ends_before_start"):
                period["Start"], period["End"] = period["End"], period["Start"]
        if self.has("unsorted"):
            offers[:3] = reversed(offers[:3])
        if self.has("period_twice"):
            offers[1:1] = offers[:1]
        return {"StatusMsg": ["x"] if self.has("status_msg_list") else "", "TimeConstraints": offers}

    def offer(self, start, end):
        number = next(self.numbers) if self.has("new_ids") else start.timestamp()
        return {
            "ID": f"slot-{number}",
            "Desc": f"{start:%a %H:%M}-{end:%H:%M}",
            "Type": "1001",
            "Period": {"Start": f"{start:%Y-%m-%dT%H:%M:%S}.000Z", "End": f"{end:%Y-%m-%dT%H:%M:%S}.000Z"},
        }

    # The booking.

    def book(self, order, body):
        self.check_types(body)
        self.check_spellings(order, body)
        period = self.named_period(body)
        if self.has("copies_race") and period != self.periods[-1]:
            # Looks first and books later, as one does who never heard of copies.
            earlier = self.earlier(order, body, period)
            time.sleep(0.05)
            with self.lock:
                return earlier or self.write(order, body, period)
        if self.has("copy_hears_full") and period == self.periods[-1]:
            # Looks for its own booking first and whether there is room later; the other copy books in between.
            earlier = self.earlier(order, body, period)
            time.sleep(0.05)
            if not earlier and self.taken(period) >= self.places:
                raise Refusal(409, "slot_unavailable")
        with self.lock:
            return self.earlier(order, body, period) or self.write(order, body, period)

    def earlier(self, order, body, period):
        """The answer for a repeated booking. Raises Refusal where the order has another one."""
        for booking in self.cancelled:
            if (booking["order"], booking["body"]) == (order, body) and not self.has("cancelled_booked_again"):
                number = {} if self.has("cancelled_says_nothing") else {"OrderNum": booking["answer"]["OrderNum"]}
                raise Refusal(409, "cancelled_meanwhile", **number)
        mine = [booking for booking in self.bookings if booking["order"] == order]
        for booking in mine:
            same = self.what_it_says(booking["body"]) == self.what_it_says(body)
            if same and not (self.has("full_forgets") and period == self.periods[-1] and self.calls[order]):
                self.calls[order] += 1
                if self.has("repeat_new_number") and self.calls[order] == 1 and booking["answer"]["OrderedParts"]:
                    return booking["answer"] | {"OrderNum": f"FU-{next(self.numbers)}"}
                if self.has("repeat_other_parts") and self.calls[order] == 1 and booking["answer"]["OrderedParts"]:
                    return booking["answer"] | {"OrderedParts": []}
                return booking["answer"]
        if any(booking["period"] == period for booking in mine):
            if self.has("other_body_booked"):
                return None if body.get("RequiredParts") else mine[0]["answer"]
            raise Refusal(409, "conflicting_duplicate")
        if not mine or self.policy == "multiple":
            return None
        if self.policy == "move":
            return self.move(mine[0], period, body)
        if self.has("other_period_loses_first"):
            self.bookings = [booking for booking in self.bookings if booking["order"] != order]
            body["lost"] = True
        raise Refusal(409, "already_booked")

    def what_it_says(self, body):
        return json.dumps(
            body if self.has("absent_counts") else pruned(body), sort_keys=not self.has("repeat_by_order_of_keys")
        )

    def move(self, booking, period, body):
        """To where a newer body wants it; a copy of an older one is late."""
        if body in booking["older"] and not self.has("late_copy_moves_back"):
            number = {} if self.has("late_copy_says_nothing") else {"OrderNum": booking["answer"]["OrderNum"]}
            raise Refusal(409, "already_booked", **number)
        booking["older"].append(booking["body"])
        booking.update(period=period, body=body)
        return booking["answer"]

    def cancel(self, number):
        with self.lock:
            found = [booking for booking in self.bookings if booking["answer"]["OrderNum"] == number]
            if not found:
                raise Refusal(404, "not_found")
            self.bookings.remove(found[0])
            self.cancelled += found
        return {}

    def write(self, order, body, period):
        again = self.has("other_body_booked") and any(booking["order"] == order for booking in self.bookings)
        full = self.taken(period) >= self.places and not again
        if full and not self.has("overbooks"):
            raise Refusal(422 if self.has("full_is_422") else 409, "slot_unavailable")
        if self.has("no_order_wins") and period == self.periods[-1]:
            raise Refusal(409, "slot_unavailable")
        number = "FU-1" if self.has("number_twice") else f"FU-{next(self.numbers)}"
        answer = {"OrderNum": "" if self.has("no_order_num") else number, "OrderedParts": self.parts(body)}
        self.bookings.append({"order": order, "period": period, "body": body, "older": [], "answer": answer})
        return answer

    def parts(self, body):
        ordered = []
        for part in body.get("RequiredParts") or []:
            replacements = part.get("SupersededParts") or []
            ordered += [replacement["ProdNum"] for replacement in replacements]
            if not replacements or self.has("both_parts"):
                ordered.append(part["ProdNum"])
        if self.has("part_left_out"):
            ordered = ordered[1:]
        if self.has("part_twice"):
            ordered += ordered[:1]
        if self.has("part_order_for_nothing") or ordered:
            number = "" if self.has("no_part_order_num") else f"PO-{next(self.numbers)}"
            return [{"PartOrderNum": number, "Parts": ",".join(ordered) if self.has("parts_as_text") else ordered}]
        return []

    def taken(self, period):
        return sum(booking["period"] == period for booking in self.bookings)

    def named_period(self, body):
        constraints = body.get("TimeConstraints")
        constraints = [constraints] if isinstance(constraints, dict) else constraints
        if not constraints:
            if self.has("no_period_chosen_here"):
                return self.periods[0]
            raise Refusal(400, "invalid_request", "/TimeConstraints")
        if "Period" not in constraints[0]:
            named = {f"slot-{period[0].timestamp()}": period for period in self.periods}
            return named.get(constraints[0]["ID"], self.periods[0])
        try:
            period = tuple(instant(constraints[0]["Period"][key]) for key in ("Start", "End"))
        except ValueError:
            status = 409 if self.has("wrong_types_409") else 400
            raise Refusal(status, "invalid_request", "/TimeConstraints/0/Period") from None
        if period not in self.periods and not self.has("unknown_period_booked"):
            raise Refusal(404, "slot_not_found", "/TimeConstraints/0/Period")
        return period

    def check_types(self, body):
        for name, kinds in {"RequiredParts": list, "TimeConstraints": (list, dict), "Location": dict}.items():
            if body.get(name) not in (None, "") and not isinstance(body[name], kinds):
                raise Refusal(400, "invalid_request", f"/{name}")

    def check_spellings(self, order, body):
        parts, location = body.get("RequiredParts") or [], body.get("Location") or {}
        constraints = body.get("TimeConstraints") or []
        first = constraints if isinstance(constraints, dict) else constraints[0] if constraints else {}
        start = (first.get("Period") or {}).get("Start", "") if isinstance(first, dict) else ""
        refused = {
            "id_required": "ID" not in first and instant_or_none(start) in [period[0] for period in self.periods],
            "offset_refused": "+" in start,
            "precision_refused": start.endswith(".000000Z"),
            "assets_refused": isinstance(body.get("Assets"), list) and body["Assets"] != [],
            "qty_colon_refused": any("Qty:" in part for part in parts),
            "address_line_refused": "AddressLine1" in location.get("Address", {}),
            "loc_number_refused": "LocNumber" in location,
            "null_refused": "Assets" in body and body["Assets"] is None,
            "one_constraint_refused": isinstance(constraints, dict),
            "numeric_type_refused": isinstance(first.get("Type"), int),
            "unknown_refused": "CheckUnknown" in body,
            "id_alone_refused": "Period" not in first and "ID" in first,
            "numbers_refused": isinstance(body.get("UserName"), int),
            "wrong_types_refused": isinstance(body.get("Assets"), str),
            "other_original_order_refused": str(body.get("OriginalOrderNum")).endswith("-root"),
            "slash_in_order_lost": "/" in order,
        }
        if refused.get(self.fault):
            raise Refusal(400, "invalid_request")


def pruned(value):
    """Without what is absent: "", null, and what is empty without them."""
    if isinstance(value, dict):
        value = {key: kept for key, each in value.items() if (kept := pruned(each)) not in ("", None, [], {})}
    elif isinstance(value, list):
        value = [kept for each in value if (kept := pruned(each)) not in ("", None, [], {})]
    return value


def instant(text):
    return datetime.fromisoformat(text)


def instant_or_none(text):
    with contextlib.suppress(ValueError):
        return instant(text)


def chunks(*sizes_and_data):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%s\r\n%s\r\n" % pair for pair in sizes_and_data)


def whole(content, status=b"200 OK"):
    length = b"Content-Length: %d\r\n" % len(content)
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%s\r\n%s" % (status, length, content)


def offering(*periods):
    offers = [{"Desc": "x", "Type": "", "Period": {"Start": start, "End": end}} for start, end in periods]
    return whole(json.dumps({"StatusMsg": "", "TimeConstraints": offers}).encode())


EMPTY = b'{"StatusMsg": "", "TimeConstraints": []}'
OFFERED = ("2999-12-31T21:00:00.000Z", "2999-12-31T23:00:00.000Z")
DRIP, SILENCE = b"a byte", b"nothing"
# name -> (what is sent first, what is sent again and again after it, words of the verdict on the first search)
HOSTILE = {
    "chunk_of_minus_one": (chunks((b"-1", EMPTY)), b" " * 65536, "a chunk of the size '-1'"),
    "chunk_of_minus_five": (chunks((b"-5", EMPTY)), b"", "a chunk of the size '-5'"),
    "chunk_of_plus": (chunks((b"+28", EMPTY)), b"", "a chunk of the size '+28'"),
    "chunk_of_underscores": (chunks((b"2_8", EMPTY)), b"", "a chunk of the size '2_8'"),
    "chunk_of_nothing": (chunks((b"", EMPTY)), b"", "a chunk of the size ''"),
    "chunk_of_a_terabyte": (chunks((b"fffffffffff", EMPTY)), b" " * 65536, "is larger than"),
    "chunk_cut_off": (chunks((b"ff", EMPTY)), b"", "ends within a chunk"),
    "chunk_longer_than_said": (chunks((b"2", EMPTY)), b"", "ends within a chunk"),
    "endless_chunks": (chunks(), b"400\r\n%s\r\n" % (b" " * 1024) * 64, "is larger than"),
    "endless_chunk_extension": (chunks(), b"5;" + b"x" * 65536, "a chunk of the size"),
    # With a header, or the kit would read 300,000 of them until there are too many bytes.
    "endless_100_continue": (b"", b"HTTP/1.1 100 Continue\r\nX: %s\r\n\r\n" % (b"x" * 1000) * 64, "is larger than"),
    "endless_body": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, "is larger than"),
    "endless_header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536, "header line"),
    "endless_headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 64, "headers"),
    "endless_status_line": (b"", b"x" * 65536, "status line"),
    "length_of_a_terabyte": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n",
        b" " * 65536,
        "is larger than",
    ),
    "length_below_zero": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + EMPTY, b"", "200"),
    "a_byte_now_and_then": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", DRIP, "not there in time"),
    "a_header_byte_now_and_then": (b"HTTP/1.1 200 OK\r\nX: ", DRIP, "not there in time"),
    "nothing": (b"", b"", "no answer"),
    "silence": (b"", SILENCE, "not there in time"),
    "no_http": (b"220 mail.example.org ESMTP\r\n", b"", "no answer"),
    "status_of_words": (b"HTTP/1.1 two hundred\r\n\r\n", b"", "no answer"),
    "no_utf_8": (whole(b"\xff\xfe\x00"), b"", "is no JSON"),
    "nested_deep": (whole(b"[" * 500_000), b"", "is no JSON"),
    "number_of_many_digits": (whole(b"1" * 50_000), b"", "is no JSON"),
    "offers_in_the_year_9999": (
        offering(("9999-12-31T23:00:00.000Z", "9999-12-31T23:59:59.999Z")),
        b"",
        "not a UTC instant",
    ),
    "offers_in_the_year_1": (offering(("0001-01-01T00:00:00.000Z",) * 2), b"", "not a UTC instant"),
    "offers_in_the_last_year": (offering(OFFERED), b"", "200"),
    "offers_in_great_number": (offering(*[OFFERED] * 60_000), b"", "60000 periods"),
    "many_selects": (whole(b'"%s"' % (b"SELECT " * 500_000)), b"", "is no JSON object"),
    "many_lines": (whole(b'"%s"' % (b"\n" * 4_000_000)), b"", "is no JSON"),
    "large_error": (whole(b'{"code": 500, "x": "%s"}' % (b"x" * 200_000), b"500 X"), b"", "500 came back"),
    "a_surrogate": (whole(b'{"OrderNum": "\\ud800", "StatusMsg": ["\\ud800"]}'), b"", "StatusMsg"),
}


class Hostile(StandIn):
    """Answers requests whose path holds `where` with one of HOSTILE, for as long as the caller listens."""

    def __init__(self, name, where=""):
        super().__init__()
        self.first, self.again, _ = HOSTILE[name]
        self.where, self.ended = where, threading.Event()

    def __exit__(self, *_):
        self.ended.set()
        super().__exit__()

    def answer(self, handler):
        if self.where not in handler.path:
            super().answer(handler)
            return
        handler.close_connection = True
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with contextlib.suppress(OSError):
            self.harass(handler.connection)

    def harass(self, connection):
        connection.sendall(self.first)
        if self.again == DRIP:
            while not self.ended.wait(0.01):
                connection.sendall(b" ")
        elif self.again == SILENCE:
            self.ended.wait()
        while self.again and not self.ended.is_set():
            connection.sendall(self.again)
