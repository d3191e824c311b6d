"""Channel groups without the graph: what is shown of them."""

import json

from lissom.search.grouping import Place, grouping
from lissom.search.inspection import inspect_model
from tests.graph.channels.nets import NETS
from tests.graph.channels.small import followed
from tests.search.trial import Trial


def test_places_say_how_much_a_unit_holds() -> None:
    found = grouping(followed(NETS["grouped"]()))
    heavy = next(group for group in found.groups if group.units == 4)
    assert heavy.places[0] == Place(weight="w0", axis=0, shape=(16, 3, 1, 1), per_unit=4)
    assert not heavy.inexact
    assert 0 < found.coverage < 1
    assert sum(count for _, count in found.kept) > 0
    written = json.loads(json.dumps(found.to_json()))
    assert written["groups"][0]["exact"] is True
    assert written["groups"][0]["places"][0]["per_unit"] == 4
    assert written["kept"][0]["parameters"] > 0


def test_groups_are_found_where_they_are_asked_for(trial: Trial) -> None:
    opened = trial.job(data=False).opened
    assert inspect_model(opened).groups is None
    found = inspect_model(opened, groups=True).groups
    assert found is not None
    assert [group.units for group in found.groups] == [8, 16]
