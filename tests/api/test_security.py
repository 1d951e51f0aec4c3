"""What a stranger meets at each door: headers, cookies, and tricks that must not work."""

import ast
import re
import subprocess
import sys
from io import BytesIO

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections, models
from django.test import Client, RequestFactory

from bookings.access import tokens
from bookings.api import calls
from bookings.api.authentication import AccessTokenAuthentication, HasScope, RequestLimit
from bookjob_site import wsgi
from tests.api.test_over_http import raw
from tests.support import desk, helpers
from tests.support.environment import ROOT

PUBLIC = {
    "ALLOWED_HOSTS": "bookjob.example.org",
    "BOOKJOB_HTTPS": "on",
    "SECRET_KEY": "a-long-random-text-0123456789-abcdefghijklmnopqrstuvwxyz-ABCD",
}


class TestHeaders:
    """Over gunicorn, as a public site: what is said at every door, also where no database is there."""

    @pytest.fixture
    def said(self, start_service):
        service = start_service(**PUBLIC | {"ALLOWED_HOSTS": "bookjob.example.org 127.0.0.1"})

        def ask(method, path, body=b"", **headers):
            outside = {"X_Forwarded_Proto": "https"} | headers
            return service.request(method, path, body, **outside)

        return ask

    def test_everywhere(self, said):
        doors = [
            ("GET", "/livez", 200),
            ("GET", "/nothing", 404),
            ("GET", "/", 302),
            ("GET", "/admin/login/", 200),
            ("GET", "/admin/", 302),
            ("GET", "/static/unfold/js/app.js", 200),
            ("GET", "/api/v1/schema", 200),
            ("GET", "/api/v1/docs", 200),
            ("GET", "/api/v1/docs?script=", 200),
            ("GET", "/api/v1/nothing", 404),
            ("GET", "/api/v1/workorders", 403),
            ("POST", "/api/v1/auth/token", 400),
            ("POST", "/api/v1/appointments/search", 400),
            ("POST", helpers.path_of("WO-1"), 400),
        ]
        for method, path, status in doors:
            answer = said(method, path)
            assert answer.status == status, (path, answer)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy, path
            assert policy.startswith("default-src 'none'"), path
            if path.startswith("/static/"):
                continue
            assert "no-store" in answer.headers["cache-control"], path
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            if path != "/livez":
                assert answer.headers["strict-transport-security"].startswith("max-age=31536000"), path

    def test_each_exception_is_where_it_is_needed_and_nowhere_else(self, said):
        policies = {
            path: said("GET", path).headers["content-security-policy"]
            for path in ("/admin/login/", "/api/v1/docs", "/api/v1/schema", "/nothing", "/static/unfold/js/app.js")
        }
        # What is not there is told to a caller with a token in ServiceMobility's body, not in the look of the desk.
        assert [path for path, policy in policies.items() if "unsafe-eval" in policy] == ["/admin/login/"]
        styled = [path for path, policy in policies.items() if "unsafe-inline" in policy]
        assert styled == ["/admin/login/", "/api/v1/docs"]
        for policy in policies.values():
            assert "unsafe-inline" not in policy.partition("style-src")[0]
            assert "http:" not in policy
            assert "*" not in policy

    def test_pages_may_use_no_camera_and_tell_nobody_where_they_link_from(self, said):
        for path in ("/admin/login/", "/api/v1/docs"):
            headers = said("GET", path).headers
            assert "camera=()" in headers["permissions-policy"]
            assert headers["referrer-policy"] == "same-origin"
            assert headers["x-frame-options"] == "DENY"
        assert said("GET", "/admin/login/").headers["cross-origin-opener-policy"] == "same-origin"

    def test_the_admin_is_left_for_https_and_the_api_is_not_redirected(self, said):
        answer = said("GET", "/admin/login/", X_Forwarded_Proto="http")
        assert (answer.status, answer.headers["location"]) == (
            301,
            "https://127.0.0.1:" + answer.headers["location"].split(":")[2],
        )
        assert said("POST", "/api/v1/auth/token", X_Forwarded_Proto="http").status == 400


@pytest.mark.parametrize("host", ["testserver", "elsewhere.example.org"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_serves_the_api_alone_says_what_all_middlewares_do(settings, scheme, host):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS, settings.X_FRAME_OPTIONS = 60, "SAMEORIGIN"
    request_started.disconnect(close_old_connections)  # a client of a test may have connected it
    alone, with_all = wsgi.ApiHandler(), WSGIHandler()
    for path in ("/api/", "/api/v1/nothing", "/api/v1/schema", "/api/v1/docs", "/api/v1/appointments/search"):
        status, headers = said_by(with_all, path, scheme, host)
        # Where the host is refused, Django's own leaves this one out.
        assert said_by(alone, path, scheme, host) == (status, headers | {"X-Frame-Options": "SAMEORIGIN"})
        assert ("Strict-Transport-Security" in headers) == (scheme == "https")


def said_by(handler, path, scheme, host):
    """Status and headers."""
    heard = []
    more = {"HTTP_X_FORWARDED_PROTO": scheme, "HTTP_HOST": host, "HTTP_X_REQUEST_ID": "one"}
    handler(RequestFactory().get(path, **more).environ, lambda *head: heard.extend(head))
    status, headers = heard
    return status, dict(headers)


class TestCookies:
    def test_as_a_public_site(self, start_service):
        """Only over https, only for this host, out of reach of scripts, and not sent along from elsewhere."""
        service = start_service(**PUBLIC | {"ALLOWED_HOSTS": "127.0.0.1"})
        answer = service.request("GET", "/admin/login/", X_Forwarded_Proto="https")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-csrftoken=")
        for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"):
            assert word in cookie
        assert "Domain" not in cookie
        command = "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_SECURE)"
        assert service.manage("shell", "-v", "0", "-c", command).stdout == "__Host-sessionid True\n"

    @pytest.mark.django_db
    def test_of_a_session(self):
        User.objects.create_user("chief", password="a-long-password", is_staff=True)
        client = Client()
        client.post("/admin/login/", {"username": "chief", "password": "a-long-password"})
        cookie = client.cookies["sessionid"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["expires"] == cookie["max-age"] == ""  # it goes with the browser


@pytest.mark.django_db
class TestTheHostHeader:
    @pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/docs", "/"])
    def test_a_host_that_is_not_ours(self, path):
        answer = Client().get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert b"evil.example" not in answer.content

    def test_a_proxys_word_for_it_is_not_asked_for(self):
        answer = Client().get("/admin/", headers={"X-Forwarded-Host": "evil.example"})
        assert answer["Location"] == "/admin/login/?next=/admin/"


@pytest.mark.django_db
class TestNonsenseInAddressesOfTheDesk:
    VALUES = [
        "9" * 30,
        "-1",
        "\x00",
        "%00",
        "' OR 1=1 --",
        "a" * 3000,
        "\ud7ff\uffff",
        "1:1 " * 2000,
        "2026-02-30",
        "[]",
    ]

    def test_is_no_fault(self):
        work_order = desk.book(desk.slot_in(), "WO-1")
        supervisor = desk.person("supervisor")
        supervisor.raise_request_exception = False
        pages = {
            "/admin/": ["day", "span", "area"],
            desk.LIST: ["q", "area", "view", "window", "arrived", "p", "o", "all", "e", "status", "order_num", "day"],
            desk.SLOTS: ["q", "area", "day", "state", "p", "o"],
            "/admin/bookings/refusal/": ["q", "area", "p"],
            f"{desk.LIST}act/cancel/": ["chosen"],
            f"{desk.LIST}act/move/": ["chosen", "day", "page"],
            f"{desk.SLOTS}act/close/": ["chosen"],
            f"{desk.SLOTS}days/": ["area", "from", "until"],
        }
        chief = Client(raise_request_exception=False)
        chief.force_login(User.objects.create_superuser("chief"))
        faults = [
            (model, value[:20])
            for model in ("bookings/servicearea", "auth/user", "auth/group")
            for value in self.VALUES
            if chief.get(f"/admin/{model}/", {"q": value}).status_code >= 500
        ]
        faults += [
            (path, value[:20])
            for path, names in pages.items()
            for value in self.VALUES
            if supervisor.get(path, dict.fromkeys(names, value)).status_code >= 500
        ]
        for path in (desk.LIST, desk.SLOTS, "/admin/bookings/servicearea/"):
            for key in ("9" * 30, "-1", "%00", "a", f"{work_order.pk}%2f..", "_3A"):
                if supervisor.get(f"{path}{key}/change/").status_code >= 500:
                    faults.append((path, key))
        assert faults == []


def test_nul_in_the_address_of_a_page():
    for path in ("/admin/bookings/workorder/?area=%00", "/admin/bookings/workorder/%00/change/", "/admin/%00"):
        assert Client().get(path).status_code == 400, path


@pytest.mark.django_db
class TestRedirects:
    @pytest.mark.parametrize(
        "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "https:evil"]
    )
    def test_the_log_in_leads_nowhere_else(self, target):
        User.objects.create_user("chief", password="a-long-password", is_staff=True)
        answer = Client().post(
            f"/admin/login/?next={target}", {"username": "chief", "password": "a-long-password", "next": target}
        )
        assert answer.status_code == 302
        assert answer["Location"] in ("/admin/", "/accounts/profile/")


HOSTILE = "\"'><img src=x onerror=alert(1) x-init=alert(1)>{{ 7*7 }}</script><script>alert(1)</script>"


@pytest.mark.django_db
class TestWhatCustomersSayInPages:
    """Nothing that came over the API is markup, an attribute or a template in a page of the admin."""

    def test_on_every_page_that_shows_it(self):
        slot = desk.slot_in(capacity=9)
        body = {
            "Account": {"AccountNum": HOSTILE, "Name": HOSTILE, "Notes": HOSTILE},
            "Location": {
                "LocationNum": HOSTILE,
                "Name": HOSTILE,
                "Notes": HOSTILE,
                "Email": HOSTILE,
                "Address": {"AddrLine1": HOSTILE, "City": HOSTILE, "Zip": HOSTILE[:20]},
                "Contacts": [
                    {
                        "FirstName": HOSTILE,
                        "LastName": HOSTILE,
                        "Email": HOSTILE,
                        "Phones": [{"PhoneNum": HOSTILE, "PhoneType": HOSTILE}],
                    }
                ],
            },
            "RequiredParts": [{"ProdNum": HOSTILE, "Qty": 1, "PartStatus": HOSTILE, "Urgency": HOSTILE}],
            "Assets": [{"AssetNum": HOSTILE, "Desc": HOSTILE, "Model": HOSTILE}],
            "FlexAttrs": {HOSTILE: {HOSTILE: [HOSTILE]}},
            HOSTILE: HOSTILE,
        }
        work_order = desk.book(slot, f"WO {HOSTILE}", **body)
        supervisor = desk.person("supervisor")
        row = f"?chosen={work_order.pk}:{work_order.version}"
        pages = [
            "",
            "bookings/workorder/?view=all",
            f"bookings/workorder/?q={HOSTILE[:30]}",
            f"bookings/workorder/{work_order.pk}/change/",
            *(f"bookings/workorder/act/{action}/{row}" for action in ("review", "move", "cancel", "note")),
            f"bookings/appointmentslot/{slot.pk}/change/",
            "bookings/appointmentslot/",
            "bookings/refusal/",
        ]
        shown = 0
        for page in pages:
            answer = supervisor.get(f"/admin/{page}", follow=True)
            assert answer.status_code == 200, page
            text = answer.content.decode()
            assert "<img src=x" not in text, page
            assert "<script>alert" not in text, page
            assert "49</script" not in text, page
            shown += text.count("&lt;img src=x")
        assert shown > 10

    def test_an_address_for_mail_holds_nobody_else(self):
        sly = "a@example.org?bcc=everybody@evil.example"
        contact = {"FirstName": "A", "Email": sly, "IsPrimary": True}
        work_order = desk.book(desk.slot_in(), "WO-1", Location={"LocationNum": "L-1", "Contacts": [contact]})
        text = desk.person("viewer").get(f"/admin/bookings/workorder/{work_order.pk}/change/").content.decode()
        assert 'href="mailto:a@example.org%3Fbcc%3Deverybody@evil.example"' in text


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["//evil.example/admin", "//evil.example/%2e%2e", "/admin//evil.example"])
def test_no_path_becomes_another_host(path):
    answer = Client().get(path)
    assert not answer.get("Location", "").startswith(("//", "http"))


class TestHeadersOfARequest:
    """Over a real connection: headers that break lines, that are huge, that say things twice."""

    def test_tricks(self, service):
        host = b"Host: localhost\r\nConnection: close\r\n"
        token = f"x-access-token: {service.token}\r\n".encode()
        kind = b"Content-Type: application/json\r\n"
        search = b"POST /api/v1/appointments/search HTTP/1.1\r\n" + host + token + kind

        # What comes back in a header is never more than an id.
        for given in (b"a\rSet-Cookie: x=1", b"<script>", b"x" * 65, b"\xff\xfe", b"a\tb", "\u2028".encode()):
            answer = raw(service.port, search + b"X-Request-ID: " + given + b"\r\nContent-Length: 2\r\n\r\n{}")
            head = answer.partition(b"\r\n\r\n")[0]
            assert b"Set-Cookie" not in head
            assert given not in head, given

        # Two opinions on where the request ends: refused, never two requests.
        smuggled = b"2\r\n{}\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for framing in (
            b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            b"Content-Length: 2\r\nContent-Length: 40\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"Transfer-Encoding : chunked\r\n",
        ):
            answer = raw(service.port, search + framing + b"\r\n" + smuggled)
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")), (framing, answer)
            assert answer.count(b"HTTP/1.1 ") == 1

        # Too many headers, too long a line.
        answer = raw(service.port, search + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 4")
        answer = raw(service.port, b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n" + host + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 4")

        # A compressed body is not unpacked.
        import gzip

        bomb = gzip.compress(b" " * 50_000_000)
        answer = raw(
            service.port,
            search + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb,
        )
        assert answer.startswith(b"HTTP/1.1 415")

        # No caller says over HTTP which user it is to the server.
        for name in (b"REMOTE_USER", b"REMOTE-USER", b"X-Forwarded-User"):
            answer = raw(service.port, b"GET /admin/ HTTP/1.1\r\n" + host + name + b": chief\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 302")

        # Paths that climb.
        for path in (b"/static/../bookjob_site/settings.py", b"/static/%2e%2e/manage.py", b"/static/..%2fmanage.py"):
            answer = raw(service.port, b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 404"), path
        assert '"fault"' not in service.log.read_text()


@pytest.mark.django_db
class TestWhatIsNotTheirs:
    """Broken object level and object property level authorisation (OWASP API1, API3, API5)."""

    @pytest.fixture
    def reader(self):
        """An API user who may read work orders, of Leeds only."""
        from django.contrib.auth.models import Permission

        from bookings.models import AreaRestriction

        user = User.objects.create_user("erp")
        user.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
        leeds, boston = desk.slot_in("LEEDS"), desk.slot_in("BOSTON", "America/New_York")
        AreaRestriction.objects.create(user=user).areas.set([leeds.area])
        return {"LEEDS": desk.book(leeds, "WO-1"), "BOSTON": desk.book(boston, "WO-2")}

    def read(self, path, name="erp"):
        return Client().get(f"/api/v1/{path}", headers={"x-access-token": tokens.issue_token(name)})

    def test_the_feed_and_each_work_order_know_the_areas(self, reader):
        page = self.read("workorders").json()
        assert [order["OrderNum"] for order in page["WorkOrders"]] == [reader["LEEDS"].order_num]
        assert self.read(f"workorders/{reader['LEEDS'].order_num}").status_code == 200
        hidden = self.read(f"workorders/{reader['BOSTON'].order_num}")
        nowhere = self.read("workorders/FU-999999")
        # Whether there is such an order is not told either.
        assert (hidden.status_code, hidden.json()) == (nowhere.status_code, nowhere.json())
        assert hidden.status_code == 404

    def test_a_technicians_token_reads_no_customer(self, reader):
        for path in ("workorders", f"workorders/{reader['LEEDS'].order_num}"):
            assert self.read(path, "tech.jones").status_code == 403

    def test_what_a_booking_says_beyond_the_contract_sets_nothing(self):
        slot = desk.slot_in()
        body = {
            "order_num": "FU-666", "OrderNum": "FU-666", "status": "cancelled", "Status": "cancelled",
            "caller": "chief", "reviewed_by": "chief", "slot_id": 1, "id": 1, "pk": 1, "version": 99,
            "area_id": 1, "capacity": 1000, "change_num": 1, "is_staff": True,
        }  # fmt: skip
        work_order = desk.book(slot, "WO-1", **body)
        assert work_order.order_num != "FU-666"
        assert (work_order.status, work_order.caller, work_order.reviewed_by) == ("booked", "tech.jones", "")
        slot.refresh_from_db()
        assert (slot.capacity, slot.booked) == (3, 1)

    def test_staff_do_not_make_themselves_chiefs(self):
        """A supervisor has no page of users; adding is_superuser to a form sets nothing."""
        supervisor = desk.person("supervisor")
        for path in ("/admin/auth/user/", f"/admin/auth/user/{supervisor.user.pk}/change/", "/admin/auth/group/"):
            assert supervisor.get(path).status_code == 403
            assert supervisor.post(path, {"is_superuser": "on"}).status_code == 403
        supervisor.user.refresh_from_db()
        assert not supervisor.user.is_superuser


def test_the_browsable_api_and_debug_pages_are_off(settings):
    assert not settings.DEBUG
    assert settings.REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"] == ["bookings.api.serializers.AnswerRenderer"]


@pytest.mark.parametrize("view", [calls.SearchView, calls.FollowupView])
def test_a_call_asks_what_other_views_ask(view):
    """`admission.admitted` does, without these classes: one more here has to be asked there, too."""
    asked = [*view.authentication_classes, *view.permission_classes, *view.throttle_classes]
    assert asked == [AccessTokenAuthentication, HasScope, RequestLimit]


def modules_that_serve():
    return list((ROOT / "bookings").rglob("*.py"))


CLIENTS = {"http", "urllib", "requests", "httpx", "urllib3", "aiohttp", "socket", "ssl", "smtplib", "ftplib"}
# Delivery does, and the mail of extend_schedules: commands of the operator, in processes of their own.
CALL_OUT = {"bookings/delivery/calls.py", "bookings/supply/ending_mail.py"}
LOADED_BY_THEM = {"bookings.delivery.calls", "standardwebhooks", "bookings.supply.ending_mail"}


def test_nothing_that_serves_asks_other_hosts():
    harmless = {"urllib.parse", "http.HTTPStatus"}
    for path in modules_that_serve():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = {name for name in names if name.split(".")[0] in CLIENTS or name == "django.core.mail"} - harmless
            assert not found or path.relative_to(ROOT).as_posix() in CALL_OUT, (path, found)


def test_nothing_that_serves_has_what_calls_out():
    """A process that has loaded every page and the API has not loaded the module that calls out."""
    serving = f"""if True:
        import sys
        from bookjob_site.wsgi import application
        from django.urls import get_resolver
        get_resolver().url_patterns
        print(sorted({LOADED_BY_THEM} & sys.modules.keys()))
    """
    said = subprocess.run([sys.executable, "-c", serving], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_file_that_is_uploaded_is_read_and_not_kept():
    fields = [field for model in apps.get_models() for field in model._meta.get_fields()]
    assert not [field for field in fields if isinstance(field, models.FileField)]
    reads = [path.name for path in modules_that_serve() if "request.FILES" in path.read_text()]
    assert reads == ["imports.py"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "supervisor"])
@pytest.mark.parametrize("address", ["/admin/login/", "/admin/bookings/servicearea/import/"])
def test_a_form_with_a_large_file_is_not_read(address, name):
    """Also by a page that takes no file, and of a person who has not logged in: CSRF looks into each form."""
    client = desk.person(name) if name else Client()
    read = []

    class Body(BytesIO):
        def read(self, *size):
            read.append(size)
            return super().read(*size)

    boundary = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\n"
    text = boundary + b"a" * 3_000_000 + b"\r\n--x--\r\n"
    client.handler.enforce_csrf_checks = True
    answer = client.generic(
        "POST",
        address,
        CONTENT_TYPE="multipart/form-data; boundary=x",
        **{"wsgi.input": Body(text), "CONTENT_LENGTH": len(text)},
    )
    assert answer.status_code == 413
    assert read == []


@pytest.mark.django_db
def test_a_session_of_the_desk_is_nothing_to_the_api():
    supervisor = desk.person("supervisor")
    assert supervisor.get("/api/v1/workorders").status_code == 401
    assert supervisor.post("/api/v1/appointments/search", {}, content_type="application/json").status_code == 401


@pytest.mark.django_db
class TestDownloads:
    @pytest.mark.parametrize("action", ["csv", "xlsx"])
    def test_the_name_is_made_here(self, action):
        work_order = desk.book(desk.slot_in(), 'WO"; filename="evil.exe')
        supervisor = desk.person("supervisor")
        answer = desk.export(supervisor, action, work_order, index=0)
        assert re.fullmatch(
            rf'attachment; filename="work-orders-\d{{8}}-\d{{6}}\.{action}"', answer["Content-Disposition"]
        )
        assert answer["X-Content-Type-Options"] == "nosniff"
        answer.getvalue()  # to its end, which closes the file


def test_every_test_that_the_document_names_is_there():
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(test_\w+\.py(?:::\w+)+)`", text)
    assert len(named) > 60
    known = {}
    for name in set(named):
        file, *steps = name.split("::")
        body = known.setdefault(file, ast.parse(next((ROOT / "tests").rglob(file)).read_text()))
        for step in steps:
            found = [
                node
                for node in ast.walk(body)
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == step
            ]
            assert found, name
            body = found[0]


def test_every_item_of_the_document_has_a_proof_or_says_that_it_has_none():
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.endswith(" |")]
    rows = [row for row in rows if re.match(r"\| (API\d|\d)", row)]
    assert len(rows) > 45
    without = [row for row in rows if "`test_" not in row and "**not met**" not in row]
    # What is documentation, and what there is only one of.
    assert [row.split(" ")[1] for row in without] == ["7.1.1,", "3.12"]
