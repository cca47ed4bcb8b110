"""Which approvals an external line takes: sixty hand-made situations, and the numbers of the law."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from shapely import LineString
from shapely.geometry import shape

from landready.base_ground import Feature, Ground
from landready.external_lines import clauses, judge, no_dig_until
from landready.road_classes import NAMES, RoadClass, class_of, rules
from landready.settings import Route
from web import vocabulary

GIVEN = json.loads(
    (Path(__file__).parents[1] / "data" / "trigger_cases.json").read_text(encoding="utf-8")
)
CASES = GIVEN["cases"]
NOW = datetime.fromisoformat(GIVEN["now"])


def road(given):
    days = {
        name: date.fromisoformat(given[name]) if name in given else None
        for name in ("completed", "overhauled")
    }
    return Feature(
        shape(given["geometry"]),
        given.get("name", ""),
        RoadClass(given["class"]),
        given.get("land_width"),
        **days,
    )


def ground_of(case):
    """Roads, greens and waters are known in every case, planning areas where the case does not say null."""
    features = {"roads": [road(r) for r in case.get("roads", [])]}
    for kind in ("greens", "waters", "planning_areas"):
        if (given := case.get(kind, [])) is not None:
            features[kind] = [Feature(shape(one["geometry"])) for one in given]
    return Ground(GIVEN["crs"], features, [])


def judged(case, now=NOW):
    ground = ground_of(case)
    if "line" in case:
        line = shape(case["line"])
        return judge(list(ground.met(line)), ground.features, line.length, now), None
    (way,) = ground.lines(shape(case["plot"]), [shape(case["facility"])], Route())
    return judge(way.met, ground.features, way.route.length_m, now), way.route


def test_there_are_sixty_cases_and_each_says_why():
    assert len(CASES) == 60
    assert [case["id"] for case in CASES] == list(range(1, 61))
    assert all(case["why"] and case["clause"] for case in CASES)
    assert {n for case in CASES for n in case["expect"]} == {7, 8, 9, 10, 11}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']:02d} {case['title']}")
def test_the_items_of_a_case_are_those_of_the_law(case):
    found, route = judged(case)
    assert list(found.items) == case["expect"], case["why"]
    assert sorted({flag.clause.code for flag in found.flags}) == sorted(case["flags"])
    if "until" in case:
        (flag,) = (f for f in found.flags if f.clause.code == "no_dig")
        assert flag.params["until"] == case["until"]
    if "method" in case:
        assert route.method == case["method"]
    for need in found.needs:
        for reason in need.reasons:
            assert reason.text.format(**reason.params)
            assert reason.clause.sentence
            assert reason.place or need.item == 10


def test_precision_and_recall_over_all_cases(capsys):
    counted = Counter()
    for case in CASES:
        found, wanted = set(judged(case)[0].items), set(case["expect"])
        counted["right"] += len(found & wanted)
        counted["too many"] += len(found - wanted)
        counted["missed"] += len(wanted - found)
    precision = counted["right"] / (counted["right"] + counted["too many"])
    recall = counted["right"] / (counted["right"] + counted["missed"])
    with capsys.disabled():
        arguable = sum("arguable" in case for case in CASES)
        print(  # noqa: T201 - the figures are asked for
            f"\n60 situations, {counted['right']} items ({arguable} situations arguable):"
            f" precision {precision:.3f}, recall {recall:.3f}"
        )
    assert (precision, recall) == (1.0, 1.0)


# Distance from the outer edge of highway land, domain facts §10.1.
@pytest.mark.parametrize(
    ("road_class", "distance", "inside"),
    [
        ("national", 19.9, True),
        ("national", 20.0, True),
        ("national", 20.1, False),
        ("national", 25.0, False),
        ("expressway", 25.0, True),
        ("provincial", 15.0, True),
        ("county", 10.0, True),
        ("township", 5.1, False),
    ],
)
def test_a_control_zone_is_measured_from_the_outer_edge_of_highway_land(
    road_class, distance, inside
):
    """Not from the centre line nor the kerb, in the metres of EPSG:4546."""
    x = 432_000 + 15 + distance
    line = LineString([(x, 2_214_000), (x, 2_214_100)])
    highway = {
        "class": road_class,
        "land_width": 30,
        "geometry": LineString([(432_000, 2_213_000), (432_000, 2_215_000)]).__geo_interface__,
    }
    ground = ground_of({"roads": [highway]})
    met = list(ground.met(line))
    assert bool(met) is inside
    if inside:
        assert met[0].manner == "zone"
        assert met[0].distance_m == pytest.approx(distance, abs=1e-6)
        assert 9 in judge(met, ground.features, line.length, NOW).items


def test_widths_are_those_of_the_ordinance():
    widths = {rule.road_class.value: rule.zone_m for rule in rules().values()}
    assert widths == {
        "expressway": 30,
        "national": 20,
        "provincial": 15,
        "county": 10,
        "township": 5,
        "village": 0,
        "street": 0,
    }
    assert tuple(rule.name for rule in rules().values()) == NAMES


@pytest.mark.parametrize(
    ("completed", "overhauled", "until"),
    [
        (date(2023, 3, 10), None, date(2028, 3, 10)),
        (None, date(2024, 5, 1), date(2027, 5, 1)),
        (date(2019, 1, 1), date(2025, 1, 1), date(2028, 1, 1)),
        (date(2024, 2, 29), None, date(2029, 2, 28)),
        (None, None, None),
    ],
)
def test_a_street_may_not_be_dug_up_for_five_years_or_three_after_an_overhaul(
    completed, overhauled, until
):
    assert no_dig_until(completed, overhauled) == until


def test_the_ban_on_digging_ends_with_time_alone():
    case = next(c for c in CASES if c.get("until") == "2028-03-10")
    assert judged(case, datetime(2028, 3, 9, 17, 0, tzinfo=UTC))[0].flags, "the last day in China"
    assert not judged(case, datetime(2028, 3, 10, 17, 0, tzinfo=UTC))[0].flags, "the day after"


def test_what_nobody_uploaded_is_said_and_never_taken_for_nothing():
    found = judge([], [], 120.0, NOW)
    assert found.unknown == ("roads", "greens", "waters", "planning_areas")
    assert found.items == (10,)
    assert found.needs[0].reasons[0].assumed
    assert judge([], [], 0.0, NOW).unknown == ()


@pytest.mark.parametrize(
    ("word", "road_class"),
    [
        ("国道", "national"),
        ("省道", "provincial"),
        ("县道", "county"),
        ("乡道", "township"),
        ("村道", "village"),
        ("高速公路", "expressway"),
        ("城市主干路", "street"),
        ("National Highway", "national"),
        ("motorway", "expressway"),
        ("trunk", "national"),
        ("primary", "provincial"),
        ("secondary", "county"),
        ("tertiary", "township"),
        ("residential", "street"),
        ("G98", "expressway"),
        ("Ｇ９８１１", "expressway"),
        ("g223", "national"),
        ("S82", "expressway"),
        ("S203", "provincial"),
        ("X181", "county"),
        ("Y012", "township"),
        ("河流", None),
        ("", None),
    ],
)
def test_classes_are_read_from_chinese_english_openstreetmap_and_numbers(word, road_class):
    assert class_of(word) == road_class


def test_every_clause_of_the_data_is_known_to_the_catalogue():
    assert set(vocabulary.CLAUSES) == {one.clause for one in clauses().values()}
    assert {one.item for one in clauses().values()} == {7, 8, 9, 10, 11, None}
