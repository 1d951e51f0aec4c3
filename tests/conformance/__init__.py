"""The conformance kit and the simulator of ServiceMobility, without this service."""
