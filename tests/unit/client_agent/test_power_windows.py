"""Windows of power: what they hold, and that no appliance is on both sides of a test, no plug in two households."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.data.appliance_split import FOLDS, households_of_plugs, unseen_folds
from client_agent.data.power_windows import LAGS, hour_windows, scaled, type_windows, varied
from client_agent.data.tracebase import MINUTES, Appliance, ApplianceDay
from protocol.errors import MalformedError
from protocol.model.dataset import OWNERS

MONDAY = date(2012, 1, 2)


def _day(appliance: Appliance, watts: float, after: int = 0) -> ApplianceDay:
    """On in the second half of the day, half as high at its lowest."""
    minutes = np.zeros((3, MINUTES), dtype=np.float32)
    minutes[:, MINUTES // 2 :] = np.array([[watts], [watts], [watts / 2]])
    return ApplianceDay(appliance, MONDAY + timedelta(days=after), minutes)


LAMP, KETTLE = Appliance(2, "A"), Appliance(9, "A")


def test_windows_in_which_an_appliance_is_off_are_left_out() -> None:
    windows = type_windows([_day(LAMP, 40.0), _day(KETTLE, 2000.0), _day(LAMP, 4.0, after=1)])
    assert windows.inputs.shape == (6, 3, 1, 240)
    assert windows.labels.tolist() == [2, 2, 2, 9, 9, 9]
    assert windows.inputs[3, :, 0, 0].tolist() == scaled(np.array([2000.0, 2000.0, 1000.0])).tolist()
    assert len(type_windows([_day(LAMP, 40.0)], 60, 60)) == 12
    assert len(type_windows([_day(LAMP, 40.0)], 240, 60)) == 12, "those that reach into the second half"
    with pytest.raises(MalformedError, match="ever on"):
        type_windows([_day(LAMP, 4.0)])


def test_of_some_appliances() -> None:
    windows = type_windows([_day(LAMP, 40.0), _day(KETTLE, 2000.0)])
    assert set(windows.of([KETTLE]).labels.tolist()) == {9}
    assert len(set(windows.of([KETTLE]).examples().arrays[OWNERS].tolist())) == 1
    with pytest.raises(MalformedError, match="no window"):
        windows.of([])


def test_more_or_less_power_is_the_same_for_all_of_a_window() -> None:
    windows = type_windows([_day(KETTLE, 2000.0)])
    others = varied(windows, 0.2, seed=1)
    factors = np.expm1((others.inputs + 1.0) * 4.0) / np.expm1((windows.inputs + 1.0) * 4.0)
    np.testing.assert_allclose(factors, factors[:, :1, :, :1] * np.ones_like(factors), rtol=1e-4)
    assert np.ptp(factors[:, 0, 0, 0]) > 0.01
    assert varied(windows, 0.2, seed=1).inputs.tobytes() == others.inputs.tobytes()


def test_the_next_hour_follows_twelve_that_follow_each_other() -> None:
    run, apart = [_day(LAMP, 40.0), _day(LAMP, 80.0, after=1)], _day(LAMP, 60.0, after=5)
    windows = hour_windows([apart, *run])
    assert windows.inputs.shape == (36 + 12, LAGS, 1)
    hours = np.concatenate([one.minutes[0].reshape(24, 60).mean(axis=1) for one in run])
    assert windows.labels[:36].tolist() == scaled(hours[LAGS:]).tolist()
    assert windows.inputs[5, :, 0].tolist() == scaled(hours[5 : 5 + LAGS]).tolist()
    assert windows.days[0] == MONDAY.toordinal()


appliances = st.sets(
    st.builds(Appliance, st.integers(0, 4), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")), min_size=20, max_size=60
)


@settings(deadline=None)
@given(owned=appliances, seed=st.integers(0, 2**32))
def test_every_appliance_is_tested_once_and_every_fold_has_all_types_it_can(owned: set[Appliance], seed: int) -> None:
    folds = unseen_folds(list(owned), seed)
    assert len(folds) == FOLDS
    assert sorted(appliance for fold in folds for appliance in fold) == sorted(owned)
    for kind in {appliance.kind for appliance in owned}:
        of_kind = [sum(appliance.kind == kind for appliance in fold) for fold in folds]
        assert max(of_kind) - min(of_kind) <= 1
    assert unseen_folds(sorted(owned), seed) == folds


@settings(deadline=None)
@given(owned=appliances, seed=st.integers(0, 2**32), households=st.integers(1, 15))
def test_a_plug_is_in_one_household_with_all_that_it_measured(
    owned: set[Appliance], seed: int, households: int
) -> None:
    if len({appliance.plug for appliance in owned}) < households:
        with pytest.raises(ValueError, match="cannot give"):
            households_of_plugs(list(owned), households, seed)
        return
    dealt = households_of_plugs(list(owned), households, seed)
    assert all(dealt) and sorted(appliance for own in dealt for appliance in own) == sorted(owned)
    plugs = [{appliance.plug for appliance in own} for own in dealt]
    assert sum(map(len, plugs)) == len(set().union(*plugs)), "no plug twice"
    assert max(map(len, plugs)) - min(map(len, plugs)) <= 1
