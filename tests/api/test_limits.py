"""Too many requests: from a caller, from an address, over all workers."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from unittest import mock

import pytest
from django.test import Client

from bookings.access import admission, tokens
from bookings.models import WorkOrder
from bookings.telemetry import shared as shared_memory
from tests.operations.test_faults import workers as workers_of
from tests.operations.test_metrics import wait_for
from tests.support.environment import ROOT
from tests.support.helpers import at_once, booking, clock_stands_at, error, make_slot, post

SEARCH = "/api/v1/appointments/search"


class Clock:
    """Stands still until the test sets it."""

    now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock():
    clock = Clock()
    with mock.patch("bookings.clock.ticks", new=clock.time):
        yield clock


@pytest.fixture(autouse=True)
def fresh_buckets():
    with mock.patch("bookings.access.admission.buckets", shared_memory.Buckets(rows=64)):
        yield


def search(name="tech.jones", address="192.0.2.1", token=None, **extra):
    headers = {"x-access-token": token or tokens.issue_token(name)}
    return (
        Client()
        .post(SEARCH, "{}", content_type="application/json", headers=headers, REMOTE_ADDR=address, **extra)
        .status_code
    )


def nameless(minutes: int) -> str:
    """A token as ServiceMobility documents it, which says nothing of who holds it."""
    return tokens.issue_token("", minutes=minutes)


class TestBuckets:
    def take(self, times, key="a", limit=3, now=0.0):
        return [admission.buckets.take(key, limit, now) for _ in range(times)]

    def test_a_minutes_worth_at_once_and_then_steadily(self):
        assert self.take(3) == [0, 0, 0]
        assert self.take(1) == [pytest.approx(20)]
        assert self.take(1, now=19.0) == [pytest.approx(1)]
        assert self.take(2, now=20.0) == [0, pytest.approx(20)]
        assert self.take(4, now=500.0) == [0, 0, 0, pytest.approx(20)]

    @pytest.mark.parametrize("limit", [1, 3, 7, 300, 3000])
    def test_exactly_as_many_as_it_says(self, limit):
        assert self.take(limit + 1, limit=limit, now=123.456).count(0) == limit

    def test_whoever_is_refused_is_not_held_back_longer_for_trying(self):
        self.take(3)
        self.take(1000, now=1.0)
        assert self.take(1, now=20.0) == [0]

    def test_each_key_has_its_own(self):
        self.take(4)
        assert self.take(3, key="b") == [0, 0, 0]

    def test_more_keys_than_places_refuse_nobody_for_somebody_else(self):
        tight = shared_memory.Buckets(rows=1)
        size = len(tight.shared.memory)
        assert {tight.take(f"caller {number}", 3, 0.0) for number in range(10_000)} == {0}
        assert len(tight.shared.memory) == size

    def test_the_one_that_has_used_most_is_forgotten_last(self):
        tight = shared_memory.Buckets(rows=1)
        while not tight.take("greedy", 3, 0.0):
            pass
        for number in range(1000):
            tight.take(f"caller {number}", 3, 0.0)
        assert tight.take("greedy", 3, 0.0) > 0

    # Four forked processes, each of which takes 200 times out of a bucket of 100; prints what each had.
    FORKED = """
import os
from bookings.telemetry import shared
{before}
ends = []
for _ in range(4):
    end, other = os.pipe()
    ends.append(end)
    if os.fork() == 0:
        {after}
        os.write(other, b"%d " % sum(not buckets.take("a", 100, 0.0) for _ in range(200)))
        os._exit(0)
    os.close(other)
print(b"".join(os.read(end, 99) for end in ends).decode())
"""

    def had(self, before: str, after: str) -> int:
        script = self.FORKED.format(before=before, after=after)
        return sum(map(int, subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).split()))

    def test_forked_processes_count_together(self):
        assert self.had("buckets = shared.Buckets()", "pass") == 100

    def test_the_test_above_would_notice_tables_of_their_own(self):
        assert self.had("", "buckets = shared.Buckets()") == 400

    def test_without_the_lock_what_others_count_in_between_is_lost(self):
        """What the lock is for: another process counts between this one's reading and writing."""
        shared, others = shared_memory.Buckets(), []

        def in_between(*given):
            if not others:
                others.append("once")
                others.append(shared.take("a", 3, 0.0))
            return max(*given)

        shared.shared.lock = mock.Mock()
        with (
            mock.patch("bookings.telemetry.shared.fcntl"),
            mock.patch("bookings.telemetry.shared.max", new=in_between, create=True),
        ):
            had = [shared.take("a", 3, 0.0) for _ in range(4)] + others[1:]
        assert had.count(0) == 4

    def test_a_process_that_is_killed_holding_the_lock_blocks_nobody(self):
        buckets = shared_memory.Buckets()
        shared = buckets.shared
        script = (
            "import fcntl, sys, signal; fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX); print('held', flush=True);"
            " signal.pause()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", script, str(shared.file)], stdout=subprocess.PIPE, text=True, pass_fds=[shared.file]
        )
        with holder:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(BlockingIOError):  # it does hold it
                fcntl.lockf(shared.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            holder.kill()
        assert buckets.take("a", 3, 0.0) == 0


@pytest.mark.django_db
class TestACaller:
    @pytest.fixture(autouse=True)
    def _limits(self, settings, clock):
        settings.BOOKJOB_CALLER_LIMIT, settings.BOOKJOB_ADDRESS_LIMIT = 3, 0

    def test_is_told_when_to_come_back(self, clock):
        make_slot(capacity=9)
        with clock_stands_at():
            assert [post(f"WO-{number}", booking()).status_code for number in range(3)] == [200] * 3
            answer = post("WO-3", booking())
            assert (answer.status_code, answer["Retry-After"]) == (429, "20")
            message = "There were too many requests. Try again in 20 seconds."
            assert answer.json() == error(429, "throttled", message, seconds=20)
            assert WorkOrder.objects.count() == 3
            clock.now += 20
            assert post("WO-3", booking()).status_code == 200

    def test_a_repeat_that_is_refused_changes_nothing_and_is_answered_later(self, clock):
        make_slot(capacity=9)
        with clock_stands_at():
            answers = [post("WO-1", booking()) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            clock.now += 20
            again = post("WO-1", booking())
        assert again.json() == answers[0].json()
        assert WorkOrder.objects.count() == 1

    def test_each_endpoint_counts_for_itself(self):
        assert [search() for _ in range(4)] == [200, 200, 200, 429]
        assert post("WO-1", booking()).status_code == 404

    def test_order_numbers_are_no_endpoints(self):
        assert [post(f"WO-{number}", booking()).status_code for number in range(4)] == [404, 404, 404, 429]

    def test_nobody_is_refused_for_another_ones_flood(self):
        assert [search() for _ in range(50)].count(429) == 47
        assert [search("tech.smith") for _ in range(3)] == [200] * 3

    def test_more_tokens_do_not_help_him_and_other_addresses_neither(self):
        statuses = [search(address=f"192.0.2.{n}", token=tokens.issue_token("jo", minutes=n)) for n in (5, 6)]
        assert [*statuses, search("jo"), search("jo")] == [200, 200, 200, 429]

    def test_tokens_that_name_nobody_do_not_share_one_bucket(self):
        first, second = nameless(5), nameless(6)
        assert [search(token=first) for _ in range(4)] == [200, 200, 200, 429]
        assert search(token=second) == 200

    def test_zero_is_off(self, settings):
        settings.BOOKJOB_CALLER_LIMIT = 0
        assert {search() for _ in range(50)} == {200}

    def test_for_clients_that_know_three_statuses(self, settings):
        settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = True
        assert [search() for _ in range(4)] == [200, 200, 200, 500]


@pytest.mark.django_db
class TestAnAddress:
    @pytest.fixture(autouse=True)
    def _limits(self, settings, clock):
        settings.BOOKJOB_CALLER_LIMIT, settings.BOOKJOB_ADDRESS_LIMIT = 0, 3

    def test_counts_all_callers_together(self):
        assert [search(f"tech.{number}") for number in range(4)] == [200, 200, 200, 429]
        assert search("tech.9", address="192.0.2.2") == 200

    def test_tokens_are_not_guessed_faster(self):
        assert [search(token="guess") for _ in range(4)] == [401, 401, 401, 429]

    @pytest.mark.parametrize("path", ["schema", "docs", "auth/token", "workorders", "workorders/FU-1"])
    def test_at_every_endpoint(self, path, django_assert_num_queries):
        method = "POST" if path == "auth/token" else "GET"

        def call():
            return Client().generic(method, f"/api/v1/{path}", "{}", content_type="application/json").status_code

        assert [call() for _ in range(4)][-1] == 429
        with django_assert_num_queries(0):
            assert call() == 429

    def test_of_ipv6_the_network_counts(self):
        assert [search(address=f"2001:db8::{number}") for number in (1, 2, 3, 4)] == [200, 200, 200, 429]
        assert search(address="2001:db8:0:1::1") == 200

    def test_ipv4_looks_the_same_on_a_socket_for_both(self):
        """Else all of IPv4 would be one network of IPv6."""
        assert [search(address=f"::ffff:192.0.2.{number}") for number in (1, 2, 3, 4)] == [200] * 4
        assert [search(address="192.0.2.1") for _ in range(3)] == [200, 200, 429]

    def test_behind_a_proxy_it_is_the_callers_and_he_cannot_make_one_up(self, settings):
        import ipaddress

        settings.BOOKJOB_PROXIES = [ipaddress.ip_network("127.0.0.0/8")]
        statuses = [
            search(address="127.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 192.0.2.1") for number in range(4)
        ]
        assert statuses == [200, 200, 200, 429]
        assert search(address="127.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.2") == 200

    @pytest.mark.parametrize("spelling", ["192.0.2.1:{}", "[2001:db8::1]:{}"])
    def test_a_proxy_that_writes_the_port_too_makes_no_new_caller_of_each_connection(self, settings, spelling):
        import ipaddress

        settings.BOOKJOB_PROXIES = [ipaddress.ip_network("127.0.0.0/8")]
        forwarded = [spelling.format(4000 + number) for number in range(4)]
        statuses = [search(address="127.0.0.1", HTTP_X_FORWARDED_FOR=text) for text in forwarded]
        assert statuses == [200, 200, 200, 429]


def test_counting_asks_no_database(settings, db, django_assert_num_queries):
    settings.BOOKJOB_CALLER_LIMIT = settings.BOOKJOB_ADDRESS_LIMIT = 1
    search()
    with django_assert_num_queries(0):
        assert search() == 429


class TestOverSeveralWorkers:
    def test_one_count_for_all_and_a_killed_worker_takes_nothing_with_it(self, start_service):
        service = start_service(WEB_CONCURRENCY="3", BOOKJOB_CALLER_LIMIT="20", BOOKJOB_ADDRESS_LIMIT="0")
        body = json.dumps(service.make_slot(capacity=99))
        statuses = [answer.status for answer in at_once([lambda: service.book("WO-1", body)] * 30)]
        # A place comes free every three seconds: on a slow machine one or two more get through.
        assert 20 <= statuses.count(200) <= 24
        assert set(statuses) == {200, 429}
        workers = wait_for(lambda: len(alive := workers_of(service)) == 3 and alive)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        other = tokens.issue_token("tech.smith")
        statuses = []
        while 200 not in statuses:  # the new workers come up
            try:
                statuses.append(service.request("POST", SEARCH, "{}", x_access_token=other).status)
            except OSError:
                continue
        assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(1,)]
        refused = [service.book("WO-1", body).status for _ in range(15)]
        assert 429 in refused  # counted before the workers were killed, and not forgotten
