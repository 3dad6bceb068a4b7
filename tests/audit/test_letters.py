"""Letters about alarms: one for a burst, to everybody once, tried again, whoever carries them and whenever they are killed."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils.timezone import now

from audit.acting import acting
from audit.alarms import Rule, raise_alarm
from audit.letters import BURST, Letter, post_letters, undelivered_since
from audit.models import AlarmLetter, UntoldAlarm
from crypto.ids import uuid7
from tests.audit.reading import events
from tests.factories.audit import CLINIC, SETUP

pytestmark = pytest.mark.usefixtures("clinic")
OFFICER, DEPUTY = sorted([uuid7(), uuid7()], key=str)
NOW = now()


class Bag:
    """A post that keeps what it carries; `shut` are accounts whose letterbox does not open now."""

    to: Collection[UUID] = ()
    shut: Collection[UUID] = ()
    carried: list[tuple[UUID, Letter]]

    def receivers(self, log_id: UUID) -> Collection[UUID]:
        return self.to

    def deliver(self, account: UUID, letter: Letter) -> bool:
        if account in self.shut:
            return False
        self.carried.append((account, letter))
        return True


@pytest.fixture(autouse=True)
def bag(settings: object) -> type[Bag]:
    settings.ALARM_POST = "tests.audit.test_letters.Bag"  # type: ignore[attr-defined]  # pytest-django's
    Bag.to, Bag.shut, Bag.carried = [OFFICER, DEPUTY], [], []
    return Bag


def ring(rule: Rule = Rule.SEAL_BROKEN, times: int = 1) -> None:
    with acting(SETUP):
        for _ in range(times):
            raise_alarm(rule, clinic_id=CLINIC, object=("probe.note", str(uuid7())))


def letters() -> list[AlarmLetter]:
    with acting(SETUP):
        return list(AlarmLetter.objects.order_by("made_at"))


def test_a_burst_is_one_letter_with_numbers_and_no_person(bag: type[Bag]) -> None:
    ring(times=3)
    ring(Rule.DECOY_OPENED)
    assert post_letters(CLINIC, NOW) == 2
    assert [account for account, _letter in bag.carried] == [OFFICER, DEPUTY]
    letter = bag.carried[0][1]
    assert (letter.count, letter.rules) == (4, ((Rule.SEAL_BROKEN, 3), (Rule.DECOY_OPENED, 1)))
    (told,) = events(action="alarm.told")
    assert (told["count"], told["subjects"]) == (4, [])
    with acting(SETUP):
        assert not UntoldAlarm.objects.exists()


def test_what_rings_soon_after_waits_and_is_gathered(bag: type[Bag]) -> None:
    ring()
    post_letters(CLINIC, NOW)
    ring(times=2)
    assert post_letters(CLINIC, NOW + timedelta(minutes=1)) == 0
    assert post_letters(CLINIC, NOW + BURST) == 2
    assert [letter.count for _account, letter in bag.carried] == [1, 1, 2, 2]


def test_an_alarm_that_is_open_already_is_no_news(bag: type[Bag]) -> None:
    for at in (NOW, NOW + BURST):
        with acting(SETUP):
            raise_alarm(Rule.DECOY_OPENED, clinic_id=CLINIC, object=("viewed", "user:1"))
        post_letters(CLINIC, at)
    assert len(letters()) == 1


def test_whoever_was_not_reached_is_tried_again_and_the_others_are_not(bag: type[Bag]) -> None:
    ring()
    bag.shut = [DEPUTY]
    assert post_letters(CLINIC, NOW) == 1
    assert post_letters(CLINIC, NOW + timedelta(seconds=20)) == 0
    assert post_letters(CLINIC, NOW + timedelta(minutes=2)) == 0
    with acting(SETUP):
        assert undelivered_since(CLINIC) == NOW
    bag.shut = []
    assert post_letters(CLINIC, NOW + timedelta(minutes=10)) == 1
    assert [account for account, _letter in bag.carried] == [OFFICER, DEPUTY]
    assert len({letter.id for _account, letter in bag.carried}) == 1
    assert letters()[0].ended_at is not None


def test_a_worker_that_dies_on_the_way_leaves_the_letter_to_the_next(
    bag: type[Bag], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring()
    with monkeypatch.context() as dying:
        dying.setattr(Bag, "deliver", lambda post, account, letter: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            post_letters(CLINIC, NOW)
    assert post_letters(CLINIC, NOW + timedelta(seconds=30)) == 0  # nobody knows yet that it died
    assert post_letters(CLINIC, NOW + timedelta(minutes=1)) == 2


def test_where_nobody_has_an_address_the_letter_ends_and_the_alarm_stays(bag: type[Bag]) -> None:
    ring()
    bag.to = []
    assert post_letters(CLINIC, NOW) == 0
    (letter,) = letters()
    assert (letter.told, letter.ended_at) == ([], NOW)
