"""Classes of roads: their words in data, the width of their control zone by law, and what is assumed where data say nothing.

Widths of control zones: 公路安全保护条例 第十一条 (data/highway_control_zone.csv). The width of a road's land, the factors and the
costs of crossings are ours [OWN] and stand in data/road_classes.csv, to be replaced by each city's own.
"""

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from geo.problems import N_

DATA = Path(__file__).parent / "data"
# As in the file, here so that they are translated; a test compares them.
NAMES = (
    N_("高速公路"),
    N_("国道"),
    N_("省道"),
    N_("县道"),
    N_("乡道"),
    N_("村道"),
    N_("城市道路"),
)


class RoadClass(StrEnum):
    """公路 by their administrative class, 高速公路 whatever its class, and 城市道路."""

    EXPRESSWAY = "expressway"
    NATIONAL = "national"
    PROVINCIAL = "provincial"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"
    STREET = "street"


@dataclass(frozen=True, slots=True)
class RoadRule:
    """What holds for a class. Metres; `zone_m` 0: the law gives no control zone; `land_width_m`: assumed, edge to edge."""

    road_class: RoadClass
    name: str
    zone_m: float
    along_factor: float
    crossing_m: float
    land_width_m: float
    words: tuple[str, ...]


@cache
def rules() -> Mapping[RoadClass, RoadRule]:
    """Return the rule of every class."""
    with (DATA / "highway_control_zone.csv").open(encoding="utf-8", newline="") as file:
        zones = {
            row["name"]: float(row["min_width_m_from_highway_land_outer_edge"])
            for row in csv.DictReader(file)
        }
    with (DATA / "road_classes.csv").open(encoding="utf-8", newline="") as file:
        return {
            RoadClass(row["class"]): RoadRule(
                RoadClass(row["class"]),
                row["name"],
                zones.get(row["name"], 0.0),
                float(row["along_factor"]),
                float(row["crossing_m"]),
                float(row["land_width_m"]),
                tuple(row["words"].split("|")),
            )
            for row in csv.DictReader(file)
        }


# 国家高速 has one, two or four digits (G98, G9811), 国道 three; 省级高速 one or two, 省道 three.
_NUMBERS = (
    (re.compile(r"g(\d{1,2}|\d{4})"), RoadClass.EXPRESSWAY),
    (re.compile(r"g\d{3}"), RoadClass.NATIONAL),
    (re.compile(r"s\d{1,2}"), RoadClass.EXPRESSWAY),
    (re.compile(r"s\d{3}"), RoadClass.PROVINCIAL),
    (re.compile(r"x\d{3,4}"), RoadClass.COUNTY),
    (re.compile(r"y\d{3,4}"), RoadClass.TOWNSHIP),
    (re.compile(r"c\d{3,4}"), RoadClass.VILLAGE),
)


def class_of(text: str) -> RoadClass | None:
    """Return the class that a cell names: a Chinese or English word, a word of OpenStreetMap, or a road number; else None."""
    plain = re.sub(r"[\s\-]+", "", unicodedata.normalize("NFKC", text)).lower()
    for rule in rules().values():
        if plain in {word.replace(" ", "") for word in rule.words}:
            return rule.road_class
    return next((found for number, found in _NUMBERS if number.fullmatch(plain)), None)
