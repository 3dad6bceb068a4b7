"""What is laid out for a module is found by each of its tests as it was made, and by no test that did not ask for it."""

import pytest

from clinics.models import Chain, Clinic
from tests.laid_out import laid_out, let_the_horizon_pass

pytestmark = pytest.mark.django_db


@laid_out
def chain() -> Chain:
    return Chain.objects.create(name="云溪健康")


@laid_out
def clinic(chain: Chain) -> Clinic:
    return Clinic.objects.create(chain=chain, code="east", name="城东门诊", short_name="云溪", phone="1")


made: list[None] = []


@laid_out
def times_made() -> int:
    made.append(None)
    return len(made)


@pytest.mark.parametrize("before", range(2))
def test_it_is_made_anew_when_somebody_waited_for_the_horizon(times_made: int, before: int) -> None:
    assert times_made == before + 1
    let_the_horizon_pass()


@pytest.mark.parametrize("_turn", range(3))
def test_what_one_test_changes_the_next_does_not_see(clinic: Clinic, chain: Chain, _turn: int) -> None:
    assert Chain.objects.get().name == chain.name == "云溪健康"
    assert clinic.chain is chain
    chain.name = "另一家"
    chain.save()


def test_a_test_finds_no_more_than_it_asked_for(chain: Chain) -> None:
    assert Chain.objects.get() == chain
    assert not Clinic.objects.exists()


def test_who_asked_for_nothing_finds_nothing() -> None:
    assert not Chain.objects.exists()
