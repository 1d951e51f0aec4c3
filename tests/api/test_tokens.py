"""Who may call: the x-access-token header (contract, section 3)."""

import base64
import hmac
import json
import time

import jwt
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from bookings.access import tokens
from bookings.models import WorkOrder
from tests.support.environment import KEY, OLD_KEY
from tests.support.helpers import booking, clock_stands_at, error, make_slot, path_of, post

pytestmark = pytest.mark.django_db

# Of when the tests are collected; a run may last.
SOON, AGO = int(time.time()) + 10_800, int(time.time()) - 300
INVALID = error(401, "invalid_logon", "Your log-in has expired or is not valid. Log in again.")


def token(payload=None, key=KEY, algorithm="HS256", **header):
    return jwt.encode({"exp": SOON, "iat": AGO} if payload is None else payload, key, algorithm, headers=header)


def by_hand(header: dict, payload: dict, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def resigned(header: dict, payload: dict, key: str = KEY) -> str:
    """With a header that no library would write, or a key that none would take, but a good HS256 signature."""
    signing_input = by_hand(header, payload).rpartition(".")[0]
    signature = hmac.digest(key.encode(), signing_input.encode(), "sha256")
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


class TestAccepted:
    @pytest.mark.parametrize(
        "good",
        [
            token(),  # as ServiceMobility documents it: exp and iat, nothing else
            token({"exp": SOON}),
            token({"exp": SOON, "iat": AGO, "name": "T. Jones", "email": "t@example.org", "expdb": "x"}),
            token(key=OLD_KEY),  # during a rotation
            token(kid="current"),
            token(kid="previous", key=OLD_KEY),
            resigned({"alg": "HS256"}, {"exp": SOON}),
            token(kid="of ServiceMobility"),  # a kid that is none of ours is no reason to refuse
            token(kid="", key=OLD_KEY),
        ],
        ids=range(9),  # not the tokens themselves, which are others in each process of a run
    )
    def test_a_good_token(self, good):
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking(), token=good).status_code == 200

    @pytest.mark.parametrize("claims", [{"sub": 5}, {"sub": None}, {"jti": 7}, {"aud": "x"}, {"iss": "x"}])
    def test_other_claims_may_be_anything(self, claims):
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking(), token=token({"exp": SOON} | claims)).status_code == 200

    def test_the_clocks_may_differ_a_little(self):
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking(), token=token({"exp": int(time.time()) - 10})).status_code == 200

    @pytest.mark.parametrize(
        ("claims", "caller"),
        [
            ({}, ""),
            ({"sub": "tech.jones", "name": "T. Jones"}, "tech.jones"),
            ({"name": "T. Jones"}, "T. Jones"),
            ({"email": "t@example.org", "name": " "}, "t@example.org"),
            ({"name": 7}, ""),
            ({"name": "a\0b"}, "ab"),
            ({"name": "x" * 500}, "x" * 200),
        ],
    )
    def test_the_caller_is_kept_with_the_booking(self, claims, caller):
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking(), token=token({"exp": SOON} | claims)).status_code == 200
        assert WorkOrder.objects.get().caller == caller


PUBLIC_KEY_TEXT = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
BAD = {
    "empty": "",
    "garbage": "garbage",
    "two dots": "..",
    "not base64": "ä.ö.ü",
    "with a scheme": f"Bearer {token()}",
    "100 kB": "x" * 100_000,
    "100 kB, well signed": token({"exp": SOON, "name": "x" * 100_000}),
    "alg none": by_hand({"alg": "none", "typ": "JWT"}, {"exp": SOON}),
    "alg none, signed": resigned({"alg": "none"}, {"exp": SOON}),
    "no alg": resigned({"typ": "JWT"}, {"exp": SOON}),
    "wrong key": token(key="another-key-of-a-stranger-0123456789abcdef"),
    "wrong key under a known kid": token(key=OLD_KEY, kid="current"),
    "wrong key under an unknown kid": token(key="another-key-of-a-stranger-0123456789abcdef", kid="unknown"),
    "kid is a number": resigned({"alg": "HS256", "kid": 7}, {"exp": SOON}),
    "kid is null": resigned({"alg": "HS256", "kid": None}, {"exp": SOON}),
    "kid is false": resigned({"alg": "HS256", "kid": False}, {"exp": SOON}),
    "kid of another type": resigned({"alg": "HS256", "kid": ["current"]}, {"exp": SOON}),
    "crit": token(crit=["exp"]),
    "expired": token({"exp": int(time.time()) - 60}),
    "no exp": token({"iat": AGO}),
    "exp is a text": token({"exp": "soon"}),
    "exp is null": resigned({"alg": "HS256"}, {"exp": None}),
    "exp is a list": resigned({"alg": "HS256"}, {"exp": [SOON]}),
    "exp is true": resigned({"alg": "HS256"}, {"exp": True}),
    "exp is infinite": resigned({"alg": "HS256"}, {"exp": float("inf")}),
    "exp is no number": resigned({"alg": "HS256"}, {"exp": float("nan")}),
    "issued in the future": token({"exp": SOON + 900, "iat": SOON}),
    "not yet good": token({"exp": SOON + 900, "nbf": SOON}),
    "HS512": token(algorithm="HS512", key=KEY * 2),
    "HS512 header": resigned({"alg": "HS512"}, {"exp": SOON}),
    "RS256 header": resigned({"alg": "RS256"}, {"exp": SOON}),
    "payload is a list": resigned({"alg": "HS256"}, [SOON]),
    "its own key in it": token(
        key="x" * 40, jwk={"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 40).decode().rstrip("=")}
    ),
    "a key at an address": token(key="x" * 40, jku="https://evil.example/keys.json", x5u="https://evil.example/c.pem"),
    "kid is a path": resigned({"alg": "HS256", "kid": "../../../../dev/null"}, {"exp": SOON}, key=""),
    "kid is SQL": token(key="x" * 40, kid="x' UNION SELECT 'xxxxxxxx"),
    "kid is empty": token(key="x" * 40, kid=""),
    "signed with an empty key": resigned({"alg": "HS256"}, {"exp": SOON}, key=""),
    "signed with the kid": resigned({"alg": "HS256", "kid": "current"}, {"exp": SOON}, key="current"),
    "alg in capitals": by_hand({"alg": "NONE"}, {"exp": SOON}),
    "alg is a list": resigned({"alg": ["HS256"]}, {"exp": SOON}),
    "payload not encoded": resigned({"alg": "HS256", "b64": False, "crit": ["b64"]}, {"exp": SOON}),
    "nested": by_hand({"alg": "HS256", "cty": "JWT"}, {"exp": SOON}).split(".")[0] + "." + token(),
    "encrypted": ".".join([by_hand({"alg": "dir", "enc": "A128GCM"}, {}).split(".")[0], "", "iv", "text", "tag"]),
    "JSON serialization": json.dumps({"payload": token().split(".")[1], "signatures": []}),
    "public key as the secret": resigned({"alg": "HS256"}, {"exp": SOON}, key=PUBLIC_KEY_TEXT),
    "signature cut": token()[:-4],
    "payload changed": token().replace(".", ".x", 1),
}


class TestRefused:
    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_token(self, name):
        make_slot()
        with clock_stands_at():
            answer = post("WO-1", booking(), token=BAD[name])
        assert (answer.status_code, answer.json()) == (401, INVALID)
        assert answer["WWW-Authenticate"] == 'JWT realm="api"'
        assert not WorkOrder.objects.exists()

    def test_no_token(self):
        answer = Client().post(path_of("WO-1"), booking(), content_type="application/json")
        assert (answer.status_code, answer.json()) == (401, INVALID)

    def test_the_token_comes_before_the_body(self):
        assert post("WO-1", b"no JSON", token="x").status_code == 401

    def test_without_keys_nothing_is_accepted(self, settings):
        settings.BOOKJOB_JWT_KEYS = {}
        assert post("WO-1", booking(), token=token()).status_code == 401

    def test_a_key_that_was_taken_out_is_not_accepted(self, settings):
        settings.BOOKJOB_JWT_KEYS = {"current": KEY}
        assert post("WO-1", booking(), token=token(key=OLD_KEY)).status_code == 401


class TestTrustUpstream:
    unsigned = token({"exp": SOON}, key="a-key-that-only-the-vendor-has-0123456789")

    @pytest.fixture(autouse=True)
    def _trust(self, settings):
        import ipaddress

        settings.BOOKJOB_TRUST_UPSTREAM = True
        settings.BOOKJOB_TRUSTED_NETWORKS = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
        make_slot()
        with clock_stands_at():
            yield

    @pytest.mark.parametrize("address", ["10.1.2.3", "fd00::7"])
    def test_the_signature_is_not_checked_for_a_trusted_network(self, address):
        assert post("WO-1", booking(), token=self.unsigned, REMOTE_ADDR=address).status_code == 200

    @pytest.mark.parametrize("address", ["10.2.0.1", "127.0.0.1", "", "unix:", "fe80::1"])
    def test_it_is_for_any_other(self, address):
        assert post("WO-1", booking(), token=self.unsigned, REMOTE_ADDR=address).status_code == 401
        assert post("WO-1", booking(), token=token(), REMOTE_ADDR=address).status_code == 200

    def test_nobody_becomes_a_user_of_ours_by_saying_so(self, django_user_model):
        """What stands in a token that was not verified opens no customer's address."""
        user = django_user_model.objects.create_user("erp")
        user.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
        forged = token({"exp": SOON, "iss": "bookjob", "sub": "erp"}, key="x" * 40)
        unnamed = token({"exp": SOON, "iss": "bookjob", "sub": "erp"})
        good = tokens.issue_token("erp")
        for given, address, status in (
            (forged, "10.1.2.3", 403),
            (good, "10.1.2.3", 403),
            (unnamed, "192.0.2.1", 403),  # ServiceMobility's own tokens name no key
            (good, "192.0.2.1", 200),
        ):
            headers = {"x-access-token": given}
            assert Client().get("/api/v1/workorders", headers=headers, REMOTE_ADDR=address).status_code == status

    @pytest.mark.parametrize(
        "name", ["expired", "no exp", "exp is infinite", "alg none", "RS256 header", "garbage", "100 kB", "crit"]
    )
    def test_expired_and_malformed_ones_are_refused_all_the_same(self, name):
        assert post("WO-1", booking(), token=BAD[name], REMOTE_ADDR="10.1.2.3").status_code == 401


class TestIssueToken:
    def test_it_works(self, django_user_model, capsys):
        django_user_model.objects.create_user("api")
        call_command("issue_token", "api", "--minutes", "5")
        printed = capsys.readouterr().out
        assert printed == printed.strip() + "\n"
        claims = tokens.read_token(printed.strip())
        assert (claims["sub"], claims["iss"], claims["exp"] - claims["iat"]) == ("api", "bookjob", 300)
        assert jwt.get_unverified_header(printed.strip()) == {"alg": "HS256", "typ": "JWT", "kid": "current"}

    def test_the_life_is_a_setting(self, django_user_model, capsys, settings):
        settings.BOOKJOB_TOKEN_MINUTES = 7
        django_user_model.objects.create_user("api")
        call_command("issue_token", "api")
        claims = tokens.read_token(capsys.readouterr().out.strip())
        assert claims["exp"] - claims["iat"] == 420

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["stranger"], "There is no user 'stranger'. createsuperuser or the admin makes one."),
            (["gone"], "The user 'gone' is not active."),
            (["api", "--minutes", "0"], "--minutes 0 is not between 1 and 525600."),
        ],
    )
    def test_refusals(self, django_user_model, arguments, said):
        django_user_model.objects.create_user("api")
        django_user_model.objects.create_user("gone", is_active=False)
        with pytest.raises(CommandError, match=said.replace("(", ".").replace("'", ".")):
            call_command("issue_token", *arguments)

    def test_without_a_key(self, settings):
        settings.BOOKJOB_JWT_KEYS = {}
        with pytest.raises(CommandError, match="Set BOOKJOB_JWT_KEYS"):
            call_command("issue_token", "api")
