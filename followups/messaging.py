"""What a message says and when it may leave: `data/messaging.yaml`, read once and checked as it is read.

A template may use five words and hold none of the forbidden ones, so no message can tell anything about health.
"""

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import yaml
from django.conf import settings

_FILE = Path(__file__).parent / "data" / "messaging.yaml"
ALLOWED_WORDS = frozenset({"clinic", "salutation", "day", "link", "phone", "stop"})
SATURDAY = 5


class TemplateForbidden(ValueError):
    """A template holds a word that tells of health, or asks for a fact it may not have."""


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One version of a message, in both languages. Text messages use the body alone."""

    code: str
    version: int
    zh: Text
    en: Text

    def fill(self, facts: Mapping[str, str], locale: str) -> Text:
        """The message as it leaves. `facts` has a word for each of `ALLOWED_WORDS`."""
        text = self.zh if locale.startswith("zh") else self.en
        return Text(text.subject.format(**facts), text.body.format(**facts))


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is sent from `begins` in the evening until `ends` in the morning."""

    begins: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When messages may leave, and how many."""

    zone: ZoneInfo
    send_hour: time
    weekday: Quiet
    weekend: Quiet
    spread: timedelta
    most_per_day: int
    most_tries: int

    def is_quiet(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        quiet = self._of(local.date())
        return not quiet.ends <= local.time() < quiet.begins

    def not_before(self, at: datetime, message_id: UUID) -> datetime:
        """The first moment from `at` on at which this message may leave: `at`, or a little after the next morning begins."""
        if not self.is_quiet(at):
            return at
        local = at.astimezone(self.zone)
        day = local.date()
        if local.time() >= self._of(day).ends:
            day += timedelta(days=1)
        morning = datetime.combine(day, self._of(day).ends, self.zone)
        seconds = int(self.spread.total_seconds())
        return morning + timedelta(seconds=message_id.int % seconds)

    def at_send_hour(self, day: date) -> datetime:
        return datetime.combine(day, self.send_hour, self.zone)

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone)

    def day_of(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def _of(self, day: date) -> Quiet:
        return self.weekend if day.weekday() >= SATURDAY else self.weekday


@cache
def policy() -> Policy:
    written = _file()
    quiet = written["quiet"]
    return Policy(
        zone=ZoneInfo(written["timezone"]),
        send_hour=time.fromisoformat(written["send_hour"]),
        weekday=Quiet(*(time.fromisoformat(quiet["weekday"][edge]) for edge in ("from", "until"))),
        weekend=Quiet(*(time.fromisoformat(quiet["weekend"][edge]) for edge in ("from", "until"))),
        spread=timedelta(minutes=written["spread_minutes"]),
        most_per_day=written["most_per_person_per_day"],
        most_tries=written["most_tries"],
    )


def at_rest(at: datetime) -> bool:
    """Whether nothing is sent now. A machine without neighbours to wake may say otherwise (MESSAGES_AT_ANY_HOUR)."""
    return policy().is_quiet(at) and not settings.MESSAGES_AT_ANY_HOUR


def not_at_night(at: datetime, message_id: UUID) -> datetime:
    """The moment, or the next morning where it would fall into a quiet time."""
    return policy().not_before(at, message_id) if at_rest(at) else at


@cache
def templates() -> Mapping[tuple[str, int], Template]:
    """Every published version. Raises TemplateForbidden as soon as one of them could tell something about health."""
    found = {}
    for row in _file()["templates"]:
        template = Template(
            code=row["code"],
            version=row["version"],
            zh=Text(row["subject_zh"], row["body_zh"]),
            en=Text(row["subject_en"], row["body_en"]),
        )
        refuse_forbidden(template)
        found[template.code, template.version] = template
    return found


def newest_template(code: str) -> Template:
    """Raises ValueError for a template nobody wrote."""
    return max((t for t in templates().values() if t.code == code), key=lambda t: t.version)


def refuse_forbidden(template: Template) -> None:
    """Raises TemplateForbidden, naming the template and the word."""
    for text in (template.zh, template.en):
        for words in (text.subject, text.body):
            if strange := {name for _, name, _, _ in string.Formatter().parse(words) if name} - ALLOWED_WORDS:
                raise TemplateForbidden(f"{template.code}: asks for {sorted(strange)}")
            if found := [word for word in forbidden_words() if word.casefold() in words.casefold()]:
                raise TemplateForbidden(f"{template.code}: holds {found}")


def salutation(name: str, sex: str) -> str:
    """What a message calls a person: 张女士, 欧阳先生; the whole first name where a name has no Chinese surname; else nothing."""
    title = {"male": "先生", "female": "女士"}.get(sex, "")
    if not name or not title:
        return ""
    if not "\u4e00" <= name[0] <= "\u9fff":
        return name.split()[0]
    if "·" in name:
        return name.split("·")[0]
    return (name[:2] if name[:2] in _file()["compound_surnames"] and len(name) > 2 else name[:1]) + title


def day_in_words(day: date) -> str:
    """A day as people write it: 12 月 3 日."""
    return f"{day.month} 月 {day.day} 日"


def forbidden_words() -> Iterator[str]:
    for words in _file()["forbidden"].values():
        yield from words


@cache
def _file() -> Mapping[str, Any]:
    written: Mapping[str, Any] = yaml.load(_FILE.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return written
