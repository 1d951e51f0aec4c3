"""Keys of other systems: what they may do, where, and until when."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from bookings import services
from bookings.access import keys, tokens
from bookings.models import ApiKey, Scope, WorkOrder
from tests.conftest import is_out
from tests.support import desk
from tests.support.helpers import NOW, booking, clock_stands_at, error, make_area, make_booking, make_slot, path_of
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

ORDERS = "/api/v1/workorders"
SEARCH = "/api/v1/appointments/search"
BAD_KEY = "This key is not valid: it is none, has expired, or was revoked. Ask an administrator for another one."
NO_SCOPE = "Your log-in or key does not allow this: it needs the scope {}. Ask an administrator."


@pytest.fixture(autouse=True)
def clock():
    with clock_stands_at() as clock:
        yield clock


def search_with(key):
    return call("POST", SEARCH, {"Location": {"ServiceAreaID": "LEEDS"}}, key=key)


class TestScopes:
    def test_it_works(self):
        make_slot()
        key = make_key("work_orders:read", "search", "book")
        assert len(search_with(key).json()["TimeConstraints"]) == 1
        booked = call("POST", path_of("WO-1"), booking(), key=key)
        assert booked.status_code == 200
        number = booked.json()["OrderNum"]
        assert call("GET", f"{ORDERS}/{number}", key=key).json()["Caller"] == "key erp"
        assert [found["OrderNum"] for found in call("GET", ORDERS, key=key).json()["WorkOrders"]] == [number]
        (line,) = WorkOrder.objects.get().history.all()
        assert (line.by, line.details_for(None)["key"]) == ("key erp", "erp")

    @pytest.mark.parametrize(
        ("scope", "method", "path", "body"),
        [
            ("search", "POST", SEARCH, {"Location": {"ServiceAreaID": "LEEDS"}}),
            ("book", "POST", path_of("WO-1"), booking()),
            ("work_orders:read", "GET", ORDERS, None),
            ("work_orders:read", "GET", f"{ORDERS}/FU-1", None),
        ],
    )
    def test_each_needs_its_own(self, scope, method, path, body):
        make_slot()
        others = make_key(*(other for other in Scope.values if other != scope))
        refused = call(method, path, body, key=others)
        assert (refused.status_code, refused.json()) == (
            403,
            error(403, "forbidden", NO_SCOPE.format(scope), scope=scope),
        )
        assert WorkOrder.objects.count() == 0
        assert call(method, path, body, key=make_key(scope, name="other")).status_code in (200, 404)

    def test_a_wrong_method_is_no_question_of_scopes(self):
        assert call("DELETE", ORDERS, key=make_key("search")).status_code == 405


class TestValidity:
    @pytest.mark.parametrize("sent", ["bookjob_x", "x", "bookjob_" + "A" * 43, "bookjob_" + "A" * 190])
    def test_what_is_no_key(self, sent):
        make_key()
        answer = search_with(sent)
        assert (answer.status_code, answer.json()) == (401, error(401, "invalid_logon", BAD_KEY))

    def test_it_is_not_kept_itself(self):
        key = make_key()
        kept = ApiKey.objects.values_list().get()
        assert not any(key in str(value) for value in kept)

    def test_a_revocation_counts_at_once(self):
        key = make_key()
        assert search_with(key).status_code == 200
        call_command("revoke_key", "erp")
        assert search_with(key).status_code == 401
        # The name is free again, and the old key stays revoked.
        assert search_with(make_key()).status_code == 200
        assert search_with(key).status_code == 401

    def test_it_expires(self, clock):
        key = make_key(days=2)
        clock.now = lambda: NOW + timedelta(days=2, seconds=-1)
        assert search_with(key).status_code == 200
        clock.now = lambda: NOW + timedelta(days=2)
        assert search_with(key).status_code == 401

    def test_its_last_use_is_written_once_a_minute(self, clock, django_assert_num_queries):
        key = make_key()
        search_with(key)
        assert ApiKey.objects.get().last_used_at == NOW
        clock.now = lambda: NOW + timedelta(seconds=60)
        with django_assert_num_queries(2):  # the key, the offers
            search_with(key)
        assert ApiKey.objects.get().last_used_at == NOW
        clock.now = lambda: NOW + timedelta(seconds=61)
        search_with(key)
        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=61)


class TestAreas:
    def test_there_is_nothing_elsewhere(self):
        make_slot()
        make_slot("HULL")
        make_booking("WO-1", booking())
        key = make_key(areas=[make_area("HULL")])
        assert search_with(key).json() == {"StatusMsg": "There is no service area LEEDS.", "TimeConstraints": []}
        assert call("POST", path_of("WO-2"), booking(), key=key).json()["detail"]["params"]["error"] == "slot_not_found"
        assert call("GET", ORDERS, key=key).json()["WorkOrders"] == []
        assert call("GET", f"{ORDERS}/{WorkOrder.objects.get().order_num}", key=key).status_code == 404
        there = booking(Location={"LocationNum": "L-1", "ServiceAreaID": "HULL"})
        assert call("POST", path_of("WO-2"), there, key=key).status_code == 200
        assert len(call("GET", ORDERS, key=key).json()["WorkOrders"]) == 1

    @pytest.mark.parametrize("policy", ["single", "move"])
    def test_no_order_is_taken_from_an_area_that_is_not_seen(self, settings, policy):
        """Nor is told where it stands, or what its own body was answered."""
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        make_slot()
        make_slot("HULL")
        make_booking("WO-1", booking())
        before = WorkOrder.objects.values().get()
        key = make_key(areas=[make_area("HULL")])
        there = booking(Location={"LocationNum": "L-1", "ServiceAreaID": "HULL"})
        refused = call("POST", path_of("WO-1"), there, key=key)
        assert refused.status_code == 409
        detail = refused.json()["detail"]
        assert detail["message"] == "The order has a follow-up in another area. Ask dispatch to move it."
        assert detail["params"] == {"error": "already_booked"}
        repeat = call("POST", path_of("WO-1"), booking(), key=key)
        assert repeat.json()["detail"]["params"] == {"error": "already_booked"}
        assert WorkOrder.objects.values().get() == before
        services.cancel(work_order=WorkOrder.objects.get(), by="ann", reason="Other")
        late = call("POST", path_of("WO-1"), booking(), key=key).json()["detail"]
        assert late["params"] == {"error": "cancelled_meanwhile"}
        assert before["order_num"] not in late["message"]

    def test_an_area_that_is_removed_opens_no_other(self):
        area = make_area("HULL")
        key = make_key(areas=[area])
        area.delete()
        make_slot()
        assert search_with(key).json()["TimeConstraints"] == []


class TestTokens:
    """Of technicians: they search and book, and that is all."""

    def test_a_user_who_is_switched_off_is_out(self, monkeypatch, django_user_model, settings):
        monkeypatch.setattr(tokens._Users, "is_out", is_out)
        monkeypatch.setattr(tokens, "USERS_REMEMBERED_SECONDS", 0)
        user = django_user_model.objects.create_user("tech")
        make_slot()
        sent = {"x-access-token": tokens.issue_token("tech", claims={"uid": user.pk})}

        def search():
            return Client().post(
                SEARCH, {"Location": {"ServiceAreaID": "LEEDS"}}, content_type="application/json", headers=sent
            )

        assert search().status_code == 200
        user.is_active = False
        user.save()
        assert search().status_code == 401
        user.is_active = True
        user.save()
        assert search().status_code == 200
        # Another one who has the name by now is not the user of this token.
        user.delete()
        assert search().status_code == 401
        django_user_model.objects.create_user("tech", pk=user.pk or 4711)
        assert search().status_code == 401

    @pytest.mark.parametrize("uid", [[], {}, "1", 1.5])
    def test_a_user_of_another_type_is_refused(self, uid):
        sent = {"x-access-token": tokens.issue_token("tech", claims={"uid": uid})}
        assert Client().post(SEARCH, {}, content_type="application/json", headers=sent).status_code == 401

    def test_that_is_remembered_for_seconds_only(self, django_assert_num_queries, monkeypatch):
        monkeypatch.setattr(tokens._Users, "is_out", is_out)
        users = tokens._Users()
        assert tokens.USERS_REMEMBERED_SECONDS <= 10
        with django_assert_num_queries(1):
            assert not users.is_out("tech", None)
            assert not users.is_out("tech", None)
        for number in range(2 * tokens.MOST_REMEMBERED):
            users.known[str(number), None] = 0, False
        users.is_out("other", None)
        assert len(users.known) == 1

    def test_tokens_of_servicemobility_name_no_user(self, monkeypatch, django_assert_num_queries):
        monkeypatch.setattr(tokens._Users, "is_out", is_out)
        with django_assert_num_queries(0):
            assert tokens.caller_of({"sub": "tech"}).username == ""


class TestCommands:
    def test_it_works(self, capsys):
        make_area()
        call_command("make_key", "erp", "--scope", "search", "--area", "LEEDS", "--days", "30")
        text = capsys.readouterr().out
        key = text.removesuffix("\n")
        assert "\n" not in key
        kept = ApiKey.objects.get()
        assert (kept.scopes, kept.is_restricted, kept.expires_at) == (["search"], True, NOW + timedelta(days=30))
        assert search_with(key).status_code == 200

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["erp", "--scope", "everything"], "There is no scope everything. Choose from search, book, "),
            (["erp", "--scope", "search", "--days", "0"], "A key is good for 1 to 3650 days."),
            (["erp", "--scope", "search", "--area", "YORK"], "YORK"),
            ([" ", "--scope", "search"], "A key needs a name of 1 to 100 printable characters."),
            (["taken", "--scope", "search"], "There is a key taken already. Revoke it first, or choose another name."),
        ],
    )
    def test_what_is_refused(self, arguments, told):
        make_key(name="taken")
        with pytest.raises(CommandError) as refused:
            call_command("make_key", *arguments)
        assert told in str(refused.value)
        assert ApiKey.objects.count() == 1

    def test_a_key_that_is_not_there_cannot_be_revoked(self):
        make_key()
        with pytest.raises(CommandError, match=r"There is no key 'other'. There are: erp."):
            call_command("revoke_key", "other")
        key = ApiKey.objects.get()
        keys.revoke(key, by="a")
        with pytest.raises(keys.Unfit):
            keys.revoke(key, by="b")
        assert ApiKey.objects.get().revoked_by == "a"


class TestPages:
    LIST = "/admin/bookings/apikey/"

    def test_a_supervisor_makes_one_and_sees_it_once(self):
        make_area()
        supervisor = desk.person("supervisor")
        assert supervisor.get(f"{self.LIST}add/").status_code == 200
        made = supervisor.post(f"{self.LIST}add/", {"name": "erp", "scopes": ["search"], "areas": [], "days": ""})
        (text,) = [
            word
            for word in made.content.decode().replace("<", " ").replace(">", " ").split()
            if word.startswith(keys.BEGINNING)
        ]
        assert "no-store" in made["Cache-Control"]
        assert search_with(text).status_code == 200
        key = ApiKey.objects.get()
        page = supervisor.get(f"{self.LIST}{key.pk}/change/").content.decode()
        assert key.beginning in page
        assert text not in page
        assert text not in supervisor.get(self.LIST).content.decode()
        revoked = supervisor.post(f"{self.LIST}act/revoke/", {"chosen": f"{key.pk}:0", "do": "perform"}, follow=True)
        assert revoked.status_code == 200
        assert search_with(text).status_code == 401
        assert f"{supervisor.user.username}" in supervisor.get(f"{self.LIST}{key.pk}/change/").content.decode()

    def test_one_who_is_restricted_makes_keys_for_their_areas_alone(self):
        leeds, hull = make_area(), make_area("HULL")
        supervisor = desk.person("supervisor", hull)
        form = {"name": "erp", "scopes": ["search"], "days": ""}
        for areas in ([], [leeds.pk], [leeds.pk, hull.pk]):
            supervisor.post(f"{self.LIST}add/", form | {"areas": areas})
            assert ApiKey.objects.count() == 0
        supervisor.post(f"{self.LIST}add/", form | {"areas": [hull.pk]})
        assert ApiKey.objects.get().areas.get() == hull

    def test_which_keys_a_restricted_person_sees(self):
        leeds, hull = make_area(), make_area("HULL")
        for name, areas in {"all": None, "both": [leeds, hull], "none": [], "hull": [hull]}.items():
            make_key("search", name=name, areas=areas)
        page = desk.person("supervisor", hull).get(self.LIST)
        assert {key.name for key in page.context["cl"].result_list} == {"none", "hull"}

    @pytest.mark.parametrize("role", ["viewer", "dispatcher"])
    def test_others_may_not(self, role):
        make_key()
        person, key = desk.person(role), ApiKey.objects.get()
        assert person.get(self.LIST).status_code == 403
        assert person.get(f"{self.LIST}add/").status_code == 403
        assert person.post(f"{self.LIST}act/revoke/", {"chosen": f"{key.pk}:0", "do": "perform"}).status_code == 403
        assert ApiKey.objects.get().revoked_at is None
