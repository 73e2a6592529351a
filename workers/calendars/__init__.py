"""Working time: opening hours, lunch breaks, public holidays and make-up days, in any time zone."""

from workers.calendars.public_holidays import HolidaySource, PublicHolidays, country_of
from workers.calendars.wall_clock import Interval
from workers.calendars.working_time import ALWAYS, Calendar

__all__ = ["ALWAYS", "Calendar", "HolidaySource", "Interval", "PublicHolidays", "country_of"]
