"""How times, ages and quantities are said. `{% load saying %}`. What a value means is decided elsewhere."""

from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

register = template.Library()

NO_BREAK = "\u00a0"
NEAR_DAYS = 30  # farther away, people say the date


def day_in_words(day: date, today: date) -> str:
    """今天, 明天, 3 天后, 5 天前, 11月20日, 2025年11月20日: the day as people say it on `today`."""
    away = (day - today).days
    if away == 0:
        return _("today")
    if away == 1:
        return _("tomorrow")
    if away == -1:
        return _("yesterday")
    if 0 < away <= NEAR_DAYS:
        return ngettext("in %(days)s day", "in %(days)s days", away) % {"days": away}
    if -NEAR_DAYS <= away < 0:
        return ngettext("%(days)s day ago", "%(days)s days ago", -away) % {"days": -away}
    return date_format(day, _("j N") if day.year == today.year else _("j N Y"))


def moment_in_words(moment: date | datetime, now: datetime) -> str:
    """A day, or a day with its hour where the hour still matters (from yesterday to tomorrow)."""
    local_now = timezone.localtime(now)
    if not isinstance(moment, datetime):
        return day_in_words(moment, local_now.date())
    local = timezone.localtime(moment)
    words = day_in_words(local.date(), local_now.date())
    near = abs((local.date() - local_now.date()).days) <= 1
    return f"{words}{NO_BREAK}{local:%H:%M}" if near else words


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom times and ages are said: their day, language and zone, asked for once where a table says many."""

    today: date
    language: str
    zone: tzinfo

    def when(self, moment: date | datetime) -> SafeString:
        """`<time>` as people say it, with the exact time for those who ask (title) and for machines (datetime)."""
        return _said(moment, self.today, self.zone, self.language)

    def years(self, year_of_birth: int | None) -> str:
        """Age in years."""
        return _years_in_words(self.today.year - year_of_birth, self.language) if year_of_birth else ""


def reader() -> Reader:
    """Whoever the page is for."""
    return Reader(timezone.localdate(), get_language() or "", timezone.get_current_timezone())


@register.filter
def when(moment: date | datetime | None) -> SafeString | str:
    """A moment as `Reader.when` says it; nothing for none."""
    return "" if moment is None else reader().when(moment)


@register.filter
def exactly(moment: datetime | None) -> SafeString | str:
    """To the second, as the log tells it: 03-18 22:47:03, with the year where it is not this one."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    on = f"{local:%m-%d}" if local.year == timezone.localdate().year else f"{local:%Y-%m-%d}"
    return format_html(
        '<time datetime="{}" title="{}"><span class="zz-3">{}</span>{}{}</time>',
        moment.isoformat(), f"{local:%Y-%m-%d %H:%M:%S.%f %z}", on, NO_BREAK, f"{local:%H:%M:%S}",
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _said(moment: date | datetime, today: date, zone: tzinfo, language: str) -> SafeString:
    """A moment for somebody whose day and zone these are; in the active language. Lists say the same moments over and over."""
    on = moment
    if isinstance(moment, datetime):
        on = moment.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    return SafeString(f'<time datetime="{moment.isoformat()}"{_in_words(on, today, language)}')


@lru_cache(maxsize=4096)
def _in_words(moment: date | datetime, today: date, language: str) -> SafeString:
    """The end of a `<time>`: a moment, as the reader's clock shows it, exactly and as people say it on a day; in the active language."""
    if isinstance(moment, datetime):
        moment = timezone.make_aware(moment)
    exact = date_format(moment, _("j F Y, H:i") if isinstance(moment, datetime) else _("j F Y"))
    words = moment_in_words(moment, timezone.make_aware(datetime.combine(today, time(12))))
    return format_html(' title="{}">{}</time>', exact, words)


@register.filter
def day(moment: date | datetime | None) -> str:
    """A day by its date, with the year when it is not this one: 11月20日."""
    if moment is None:
        return ""
    on = timezone.localtime(moment).date() if isinstance(moment, datetime) else moment
    return date_format(on, _("j N") if on.year == timezone.localdate().year else _("j N Y"))


@register.filter
def time_left(moment: datetime | None) -> str:
    """What is left until a clock ends, in hours and minutes, or by how much it is past. Whole minutes: nothing blinks."""
    if moment is None:
        return ""
    minutes = int((moment - timezone.now()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    facts = {"hours": hours, "minutes": rest}
    if minutes < 0:
        return _("%(hours)s h %(minutes)s min past") % facts if hours else _("%(minutes)s min past") % facts
    return _("%(hours)s h %(minutes)s min left") % facts if hours else _("%(minutes)s min left") % facts


@register.filter
def age(born: date | int | None) -> str:
    """Age in years; in months below three years, when the day of birth is known. A bare number is a year of birth."""
    if not born:
        return ""
    if isinstance(born, int):
        return reader().years(born)
    today = timezone.localdate()
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months < 36:
        return ngettext("%(months)s month", "%(months)s months", months) % {"months": max(months, 0)}
    return ngettext("%(years)s year", "%(years)s years", months // 12) % {"years": months // 12}


@lru_cache(maxsize=512)
def _years_in_words(years: int, language: str) -> str:
    return ngettext("%(years)s year", "%(years)s years", years) % {"years": years}


@register.filter
def quantity(value: Decimal | float | str | None, unit: str = "") -> str:
    """A value that never parts from its unit: 6.8 mmol/L on one line. Trailing zeros of a measurement are kept."""
    if value is None or value == "":
        return ""
    number = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return f"{number}{NO_BREAK}{unit}" if unit else number
