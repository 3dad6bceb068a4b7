"""What a law makes the clinic keep is read from data: which scopes, and for how long after the last record."""

from datetime import UTC, datetime, timedelta

import pytest

from crypto.core.scopes import Scope
from exchange import retention
from exchange.retention import Item, Retention, fate_of_scopes

LAST = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
KEPT = {Scope.IDENTITY, Scope.RECORD}


def test_of_a_card_without_records_nothing_is_kept() -> None:
    fate = fate_of_scopes({}, LAST)
    assert (fate.destroyed, fate.restricted) == (frozenset(Scope), frozenset())
    assert (fate.kept_until, fate.because) == (None, None)


@pytest.mark.requirement("PIPL-19")
@pytest.mark.parametrize(("fact", "code"), [("reports", "checkup"), ("notes", "outpatient")])
def test_a_record_is_kept_for_fifteen_years_and_who_it_is_of_with_it(fact: str, code: str) -> None:
    end = LAST.replace(year=2041)
    for at in (LAST, end - timedelta(seconds=1)):
        fate = fate_of_scopes({fact: LAST}, at)
        assert fate.restricted == KEPT
        assert fate.destroyed == {Scope.CONSENTED}
        assert fate.kept_until == end
        assert fate.because is not None
        assert fate.because.code == code
    assert fate_of_scopes({fact: LAST}, end).destroyed == frozenset(Scope)


def test_the_newest_record_counts() -> None:
    fate = fate_of_scopes({"reports": LAST, "notes": LAST + timedelta(days=400)}, LAST.replace(year=2042))
    assert fate.because is not None
    assert fate.because.code == "outpatient"


def test_years_from_the_29th_of_february_end_on_the_first_of_march() -> None:
    fate = fate_of_scopes({"reports": datetime(2028, 2, 29, tzinfo=UTC)}, LAST)
    assert fate.kept_until == datetime(2043, 3, 1, tzinfo=UTC)


def test_every_item_says_where_it_comes_from_and_how_sure_we_are() -> None:
    items = retention.retention().items
    assert {item.scope for item in items} == set(Scope)
    assert all(item.source and item.status in ("S", "M", "P", "PROPOSAL") for item in items)
    assert len({item.code for item in items}) == len(items)


def test_a_scope_that_follows_nothing_kept_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    def item(code: str, scope: Scope, **rule: object) -> Item:
        dull = {"fact": None, "follows": None, "minimum_years": 0, "on_erasure": "destroy", "source": "-"}
        return Item(code=code, scope=scope, status="S", **{**dull, **rule})  # type: ignore[arg-type]

    short = Retention(
        version=1,
        items=(
            item("short", Scope.RECORD, fact="reports", minimum_years=1, on_erasure="restrict"),
            item("who", Scope.IDENTITY, follows=Scope.CONSENTED, on_erasure="restrict"),
            item("home", Scope.CONSENTED),
        ),
    )
    monkeypatch.setattr(retention, "retention", lambda: short)
    assert fate_of_scopes({"reports": LAST}, LAST).restricted == {Scope.RECORD}
