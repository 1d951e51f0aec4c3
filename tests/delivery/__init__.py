"""Delivery to ServiceMobility, as the conformance kit simulates it, and to webhooks, over HTTP on the loopback."""
