"""Coordinate systems: the published vectors, what is refused by name, and that nothing is shifted by a ballpark."""

import math

import numpy as np
import pytest
import shapely
from shapely import Point, Polygon

from geo import crs
from geo.errors import Refused

HAINAN = ((107.8, 3.3, 119.2, 20.4),)


def moved(shape, system):
    return crs.to_stored(np.array([shape], dtype=object), system)[0]


@pytest.mark.parametrize(
    ("lon", "lat", "east", "north", "system"),
    [
        (110.3492, 20.0174, 745863.017, 2216018.527, "EPSG:4545"),
        (110.3492, 20.0174, 431902.034, 2214424.901, "EPSG:4546"),
        (108.6530, 19.1017, 568714.980, 2113053.709, "EPSG:4545"),
        (112.3380, 16.8330, 642614.487, 1862307.821, "EPSG:4546"),
    ],
)
def test_published_points_come_back(lon, lat, east, north, system):
    there = crs.to_working(np.array([Point(lon, lat)], dtype=object), system)[0]
    assert (there.x, there.y) == pytest.approx((east, north), abs=2e-3)
    back = moved(Point(east, north), system)
    assert (back.x, back.y) == pytest.approx((lon, lat), abs=2e-8)


def test_swapped_coordinates_become_infinite_not_a_place():
    assert not math.isfinite(moved(Point(2215000, 37432000), "EPSG:4525").x)


@pytest.mark.parametrize(
    ("width", "zone", "prefixed", "code"),
    [
        (3, 36, True, "EPSG:4524"),
        (3, 37, True, "EPSG:4525"),
        (3, 36, False, "EPSG:4545"),
        (3, 37, False, "EPSG:4546"),
        (3, 38, False, "EPSG:4547"),
        (6, 19, True, "EPSG:4497"),
        (6, 19, False, "EPSG:4508"),
        (3, 12, True, None),
        (6, 37, True, None),
    ],
)
def test_zones_have_their_published_codes(width, zone, prefixed, code):
    assert crs.gauss_kruger(width, zone, prefixed=prefixed) == code


@pytest.mark.parametrize(
    ("lon", "expected"),
    [(108.65, "EPSG:4545"), (109.49, "EPSG:4545"), (109.51, "EPSG:4546"), (112.3, "EPSG:4546")],
)
def test_plots_are_measured_in_their_own_zone(lon, expected):
    assert crs.working_crs(lon) == expected
    assert crs.working_crs(lon, "EPSG:31467") == "EPSG:31467"


def test_a_longitude_outside_china_needs_a_configured_crs():
    with pytest.raises(ValueError, match="working_crs"):
        crs.working_crs(-71.1)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("EPSG:2381", "crs_xian80"),
        ("EPSG:4610", "crs_xian80"),
        ("EPSG:2413", "crs_beijing54"),
        ("EPSG:4214", "crs_beijing54"),
        ("EPSG:999999", "crs_unknown"),
        ("GCJ-02", "crs_encrypted"),
        ("/etc/passwd", "crs_unknown"),
        ("+proj=longlat +nadgrids=x", "crs_unknown"),
        (
            'GEOGCS["GCS_Xian_1980",DATUM["D_Xian_1980",SPHEROID["Xian_1980",6378140.0,298.257]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]',
            "crs_xian80",
        ),
    ],
)
def test_systems_that_cannot_be_brought_to_cgcs2000_are_refused_by_name(system, code):
    with pytest.raises(Refused) as refusal:
        moved(Point(1, 1), system)
    assert refusal.value.problem.code == code


CM_109 = "+proj=tmerc +lat_0=0 +lon_0=109 +k=1 +x_0=500000 +y_0=0 +ellps=GRS80 +units=m"


@pytest.mark.parametrize("system", ["CM109", CM_109, CM_109 + " +no_defs +type=crs"])
def test_the_109_degree_frame_has_no_code_and_is_taken_by_its_words(system):
    there = moved(Point(641184.387, 2214861.600), system)
    assert (there.x, there.y) == pytest.approx((110.3492, 20.0174), abs=2e-8)
    there = moved(Point(553756.353, 2018494.622), system)
    assert (there.x, there.y) == pytest.approx((109.5083, 18.2479), abs=2e-8)
    assert crs.epsg_name(system) == "CM109"


@pytest.mark.parametrize(
    "system",
    [
        CM_109 + " +nadgrids=/etc/passwd",
        CM_109 + " +towgs84=1,2,3",
        CM_109.replace("GRS80", "krass"),
        CM_109.replace("+ellps=GRS80", ""),
        CM_109.replace("tmerc", "pipeline"),
        CM_109 + " +lon_0=111",
        CM_109.replace("109", "1e2"),
    ],
)
def test_other_proj_strings_are_not_read(system):
    with pytest.raises(Refused) as refusal:
        crs.parse(system)
    assert refusal.value.problem.code == "crs_unknown"


def test_a_bare_easting_may_be_in_the_109_degree_frame_too():
    island = ((108.2, 17.9, 111.5, 20.4),)
    assert crs.candidates(641184.387, 2214861.600, island) == ["EPSG:4545", "CM109"]


def test_dhdn_is_shifted_not_taken_as_it_is():
    there = moved(Point(3411000, 5371000), "EPSG:31467")
    # The null shift would leave the point some 80 m away from the published Helmert operation.
    unshifted = (7.796466, 48.471403)
    gap = math.hypot((there.x - unshifted[0]) * 73_800, (there.y - unshifted[1]) * 111_200)
    assert 50 < gap < 200


def test_a_cgcs2000_prj_without_epsg_code_is_understood():
    esri = (
        'PROJCS["CGCS2000_CM_109E",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",'
        'SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
        'PROJECTION["Gauss_Kruger"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
        'PARAMETER["Central_Meridian",109.0],PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
    )
    there = moved(Point(641184.387, 2214861.600), esri)
    assert (there.x, there.y) == pytest.approx((110.3492, 20.0174), abs=2e-8)


def test_geodesic_area_counts_holes_off_in_any_direction():
    square = Polygon([(110, 19), (110.01, 19), (110.01, 19.01), (110, 19.01)])
    hole = [(110.002, 19.002), (110.004, 19.002), (110.004, 19.004), (110.002, 19.004)]
    whole, gap = crs.geodesic_area_m2(square), crs.geodesic_area_m2(Polygon(hole))
    for ring in (hole, hole[::-1]):
        assert crs.geodesic_area_m2(Polygon(square.exterior.coords, [ring])) == pytest.approx(
            whole - gap
        )
    assert crs.geodesic_area_m2(shapely.LineString(hole)) == 0.0


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (110.35, 20.02, ["EPSG:4490"]),
        (37432000, 2215000, ["EPSG:4525"]),
        (19432000, 2215000, ["EPSG:4497"]),
        (1.0, 1.0, []),
    ],
)
def test_candidates_say_in_which_systems_a_point_lies_in_the_province(x, y, expected):
    assert crs.candidates(x, y, HAINAN) == expected
