"""The tables, one file a subject. What must never be true is impossible here: the constraints hold for every writer.

Nothing here changes a booking; that is services. Instants are UTC; a day or an hour of the clock means something only
in the zone of a service area. Anyone above may read; scripts import every model from here.
"""

from bookings.db.fields import ID_LENGTH as ID_LENGTH
from bookings.models.access import ApiKey as ApiKey
from bookings.models.access import AreaRestriction as AreaRestriction
from bookings.models.access import BoardVisit as BoardVisit
from bookings.models.access import CalendarAddress as CalendarAddress
from bookings.models.access import KeptAnswer as KeptAnswer
from bookings.models.access import LogInRecord as LogInRecord
from bookings.models.access import SavedView as SavedView
from bookings.models.access import Scope as Scope
from bookings.models.access import visible_areas as visible_areas
from bookings.models.areas import AreaCode as AreaCode
from bookings.models.areas import PostcodePrefix as PostcodePrefix
from bookings.models.areas import ServiceArea as ServiceArea
from bookings.models.areas import lies_within as lies_within
from bookings.models.areas import plain_postcode as plain_postcode
from bookings.models.delivery import Delivery as Delivery
from bookings.models.delivery import DeliveryEntry as DeliveryEntry
from bookings.models.delivery import Receiver as Receiver
from bookings.models.history import Counter as Counter
from bookings.models.history import EmptySearch as EmptySearch
from bookings.models.history import HistoryEntry as HistoryEntry
from bookings.models.history import Refusal as Refusal
from bookings.models.parts import PartOrder as PartOrder
from bookings.models.parts import RequiredPart as RequiredPart
from bookings.models.schedules import Schedule as Schedule
from bookings.models.schedules import ScheduleVersion as ScheduleVersion
from bookings.models.slots import AppointmentSlot as AppointmentSlot
from bookings.models.slots import AppointmentSlotQuerySet as AppointmentSlotQuerySet
from bookings.models.slots import Blackout as Blackout
from bookings.models.sums import DailySum as DailySum
from bookings.models.sums import WeeklySum as WeeklySum
from bookings.models.work_orders import SearchDocument as SearchDocument
from bookings.models.work_orders import SearchTerm as SearchTerm
from bookings.models.work_orders import WorkOrder as WorkOrder
from bookings.models.work_orders import WorkOrderQuerySet as WorkOrderQuerySet
from bookings.models.workers import Ability as Ability
from bookings.models.workers import OrderType as OrderType
from bookings.models.workers import Worker as Worker
