"""A primary that is frozen at the worst moment, in clusters of their own: other releases and settings of Patroni.

Only with TORTURE_OPERATIONS (`make torture`), as test_cluster.py, whose cluster these wait for.
"""

import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.operations.test_cluster import is_replaced, pytestmark  # noqa: F401
from tests.support import cluster as clusters
from tests.support.cluster import DATABASES, wait_for


def lost_after_the_worst_freeze(patroni: Path, **settings: object) -> tuple[set[int], set[int]]:
    """What the new primary acknowledged while the former one was frozen, and what of it is gone after the thaw."""
    with clusters.running(patroni, **settings) as cluster:
        former = cluster.primary()
        with psycopg.connect(cluster.url([former]), autocommit=True) as connection:
            connection.execute("CREATE TABLE acknowledged (number int)")
        wait_for(cluster.is_whole, cluster.said)
        cluster.freeze(former)
        wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")
        with psycopg.connect(cluster.url([cluster.primary()]), autocommit=True) as connection:
            for number in range(100):
                connection.execute("INSERT INTO acknowledged VALUES (%s)", [number])
        cluster.thaw(former)
        wait_for(lambda: cluster.ask(former, "patroni").get("role") in ("replica", "primary", "master"), "it is awake")
        threading.Event().wait(10)  # two rounds of Patroni
        wait_for(cluster.is_whole, cluster.said, 120)
        with psycopg.connect(cluster.url([cluster.primary()])) as connection:
            there = {number for (number,) in connection.execute("SELECT number FROM acknowledged")}
        return set(range(100)), set(range(100)) - there


def test_a_primary_that_is_frozen_where_it_renews_its_lock_loses_nothing(figures):
    acknowledged, lost = lost_after_the_worst_freeze(clusters.PATRONI)
    figures(f"Patroni frozen where it renews its lock: {len(acknowledged)} acknowledged, {len(lost)} lost")
    assert not lost


@pytest.mark.skipif(not clusters.CARELESS.exists(), reason="no Patroni 3.0.2 beside the other one: make torture")
def test_the_test_above_would_notice_a_patroni_that_takes_its_lock_back(figures):
    acknowledged, lost = lost_after_the_worst_freeze(clusters.CARELESS, synchronous_mode=True)
    figures(f"the same with Patroni 3.0.2: {len(acknowledged)} acknowledged, {len(lost)} lost")
    assert lost


def test_a_watchdog_resets_a_host_that_is_frozen_before_another_takes_over(figures):
    """With a pipe instead of a device, and this test instead of a kernel."""
    with clusters.running(watchdog={"mode": "required", "driver": "testing"}) as cluster:
        former = cluster.primary()
        assert "activated with 15 second timeout" in cluster.said_of_watchdog(former)
        cluster.freeze(former, "after")
        began = time.time()
        wait_for(lambda: cluster.watchdogs[former].has_reset, "it is reset")
        after = time.time() - began
        assert not is_replaced(cluster, former)
        wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")
        assert not cluster.network.processes(former)
        figures(f"host frozen, with a watchdog: reset after {after:.1f} s, {cluster.took(began)}")
        assert [host for host in DATABASES if cluster.watchdogs[host].has_reset] == [former]


def test_a_host_without_the_watchdog_that_is_required_never_is_the_primary():
    with clusters.prepared(watchdog={"mode": "required"}) as cluster:
        cluster.start_host("db1")
        cluster.started["db1"].wait(60)  # Patroni gives up
        refused = cluster.said_of_watchdog("db1")
        assert "Configuration requires watchdog, but watchdog could not be configured" in refused
        assert not cluster.primary()
        cluster.watchdog = {}  # as shipped: automatic
        cluster.start_patroni("db1")
        wait_for(lambda: cluster.primary() == "db1", cluster.said)
