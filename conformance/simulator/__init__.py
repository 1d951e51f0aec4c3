"""A ServiceMobility to try against: its log-in, its work orders and what the technicians' devices would show.

Not here: ServiceMobility's search and booking, which are this side's to answer. Anyone may start one, in a process of
its own (`python -m conformance.simulator --port 8100`) or within a test (`with Simulator() as servicemobility: …`).
"""

from conformance.simulator.faults import FAULTS
from conformance.simulator.orders import Call
from conformance.simulator.server import Simulator

__all__ = ["FAULTS", "Call", "Simulator"]
