"""Shifted coordinates: the published vectors, and when a shift is suspected."""

import numpy as np
import pytest
import shapely

from geo import shift

# lon, lat → GCJ-02 and BD-09 as lat, lon (domain facts §2.3).
VECTORS = [
    (110.3492, 20.0174, (20.0153981, 110.3536093), (20.0215452, 110.3600836)),
    (109.5083, 18.2479, (18.2462072, 109.5123944), (18.2522223, 109.5189061)),
    (109.2000, 19.7350, (19.7331250, 109.2041099), (19.7388599, 109.2106427)),
    (108.6530, 19.1017, (19.0998451, 108.6566201), (19.1056900, 108.6631411)),
    (110.5850, 19.1600, (19.1581017, 110.5891262), (19.1640084, 110.5956327)),
    (112.3380, 16.8330, (16.8313685, 112.3429110), (16.8375297, 112.3493971)),
]


@pytest.mark.parametrize(("lon", "lat", "gcj", "bd"), VECTORS)
def test_published_points(lon, lat, gcj, bd):
    point = np.array([[lon, lat]])
    assert shift.to_gcj02(point)[0][::-1] == pytest.approx(gcj, abs=1e-6)
    assert shift.to_bd09(point)[0][::-1] == pytest.approx(bd, abs=1e-6)
    assert shift.from_gcj02(shift.to_gcj02(point))[0] == pytest.approx((lon, lat), abs=1e-6)
    assert shift.from_bd09(shift.to_bd09(point))[0] == pytest.approx((lon, lat), abs=1e-5)


def grid(side: float = 0.001, street: float = 0.0004, count: int = 6) -> np.ndarray:
    """Plots of the same city in rows along streets, no two of one size."""
    step = side + street
    return np.array(
        [
            shapely.box(
                110.35 + i * step,
                20.02 + j * step,
                110.35 + i * step + side * (1 - 0.03 * i),
                20.02 + j * step + side * (1 - 0.02 * j),
            )
            for i in range(count)
            for j in range(count)
        ],
        dtype=object,
    )


NOTHING = np.array([], dtype=object)
MOVES = [
    ("GCJ-02", shift.to_gcj02),
    ("BD-09", shift.to_bd09),
    ("BD-09", lambda xy: shift.to_bd09(xy, np.pi * 3000 / 180)),
]


@pytest.mark.parametrize(("frame", "move"), MOVES)
def test_plots_that_fall_on_known_ones_when_shifted_back_are_suspected(frame, move):
    known = grid()
    found = shift.suspected(shapely.transform(known[:7], move), known, NOTHING)
    assert found is not None
    assert (found.frame, found.plots, found.by) == (frame, tuple(range(7)), "plots")
    assert 400 < found.metres < 1400


def test_plots_where_they_should_be_are_not_suspected():
    known = grid()
    assert shift.suspected(known[:5], known, NOTHING) is None
    beside = shapely.transform(known, lambda xy: xy + 0.004)
    assert shift.suspected(beside, known, NOTHING) is None
    assert shift.suspected(known, NOTHING, NOTHING) is None


def test_one_plot_in_its_place_clears_the_others():
    known = grid()
    mixed = np.array([known[0], *shapely.transform(known[1:6], shift.to_gcj02)], dtype=object)
    assert shift.suspected(mixed, known, NOTHING) is None


@pytest.mark.parametrize(("frame", "move"), MOVES[:2])
def test_plots_on_the_roads_that_shifting_back_clears_are_suspected(frame, move):
    plots, step = grid(count=6), 0.0014
    middle = [-0.0002 + n * step for n in range(-9, 20)]
    roads = np.array(
        [shapely.LineString([(110.35 + m, 20.0), (110.35 + m, 20.06)]) for m in middle]
        + [shapely.LineString([(110.33, 20.02 + m), (110.39, 20.02 + m)]) for m in middle],
        dtype=object,
    )
    shifted = shapely.transform(plots, move)
    found = shift.suspected(shifted, NOTHING, roads)
    assert found is not None
    assert (found.frame, found.by, len(found.plots) >= 12) == (frame, "roads", True)
    assert shift.suspected(plots, NOTHING, roads) is None
