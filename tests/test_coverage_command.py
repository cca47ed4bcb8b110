"""`landready coverage`: a folder of files in, three tables out, the same answers as PostGIS."""

import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner
from sqlalchemy import make_url

from bench import peers, province
from landready import servers
from landready.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("province")
    province.write(made, *province.SIZES["S"], seed=1)
    return made


def run(*words):
    """The command in this process, which has the engine loaded already."""
    return CliRunner().invoke(main, ["coverage", *map(str, words)])


def refused(folder, *words):
    done = run("--data", folder, "--out", folder / "out", *words)
    assert done.exit_code == 2, done.stderr
    assert not (folder / "out").exists()
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def tables(folder):
    return {name: pq.read_table(folder / f"{name}.parquet") for name in ("near", "cross", "cover")}


def small(folder, crs=4546, **layers):
    """Two plots, two mains and a road, written as files."""
    made = {
        "plots": [shapely.box(0, 0, 100, 100), shapely.box(500, 0, 600, 100)],
        "facilities": [shapely.LineString([(140, -50), (140, 50)]), shapely.Point(50, 50)],
        "roads": [shapely.LineString([(300, -500), (300, 500)])],
        **layers,
    }
    folder.mkdir(exist_ok=True)
    for name, shapes in made.items():
        columns = {"id": np.arange(1, len(shapes) + 1)}
        if name == "facilities":
            columns["kind"] = np.arange(len(shapes), dtype=np.int16)
        frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)
        frame.to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.mark.timeout(600)
def test_answers_equal_those_of_postgis(folder, settings, tmp_path):
    done = subprocess.run(
        [
            Path(sys.executable).parent / "landready",
            "coverage",
            "--data",
            folder,
            "--out",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    ours = tables(tmp_path)
    codes = {name: code for code, name in enumerate(peers.BARRIERS)}
    near, cross, cover = ([c.to_numpy() for c in table.columns] for table in ours.values())
    cross[2] = np.array([codes[name] for name in cross[2]])
    url = make_url(servers.owner_url(settings)).set(drivername="postgresql")
    postgis = peers.PostGIS(folder, url.render_as_string(hide_password=False))
    try:
        theirs = postgis.query()
    finally:
        postgis.drop()
    assert [len(table[0]) for table in theirs] == [32_684, 1_610, 15_852]
    assert peers.differences((near, peers.ordered(cross, 4), cover), theirs) == []


def test_tables_have_the_columns_that_were_promised(tmp_path):
    assert run("--data", small(tmp_path / "in"), "--out", tmp_path / "out").exit_code == 0
    found = tables(tmp_path / "out")
    assert found["near"].to_pydict() == {
        "plot": [1, 1, 2, 2],
        "kind": [0, 1, 0, 1],
        "rank": [1, 1, 1, 1],
        "fac": [1, 2, 1, 2],
        "dist": [40.0, 0.0, 360.0, 450.0],
    }
    assert found["cross"].to_pydict() == {
        "plot": [2, 2], "kind": [0, 1], "btype": ["roads", "roads"], "bid": [1, 1],
    }  # fmt: skip
    assert found["cover"].column_names == ["plot", "area", "share"]
    assert found["cover"].num_rows == 0


def test_radius_and_number_are_those_asked_for(tmp_path):
    place = small(tmp_path / "in", facilities=[shapely.Point(200, 0), shapely.Point(200.001, 0)])
    frame = gpd.read_parquet(place / "facilities.parquet")
    frame.assign(kind=np.int16(0)).to_parquet(place / "facilities.parquet")
    run("--data", place, "--out", tmp_path / "out", "--radius", "100", "--nearest", "5")
    near = tables(tmp_path / "out")["near"].to_pydict()
    assert (near["plot"], near["fac"]) == ([1], [1])


def test_one_thread_writes_the_same_bytes_as_two(folder, tmp_path):
    for threads in ("1", "2"):
        run("--data", folder, "--out", tmp_path / threads, "--threads", threads)
    one, two = tables(tmp_path / "1"), tables(tmp_path / "2")
    assert all(one[name].equals(two[name]) for name in one)


def test_files_in_degrees_or_in_two_frames_are_refused(tmp_path):
    assert "不能用于量算" in refused(small(tmp_path / "a", crs=4490))
    mixed = small(tmp_path / "b")
    gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.Point(0, 0)], crs=4545).to_parquet(
        mixed / "greens.parquet"
    )
    assert "坐标系不一致" in refused(mixed)
    assert "没有坐标系" in refused(small(tmp_path / "c", crs=None))


def test_missing_and_broken_files_are_named(tmp_path):
    place = small(tmp_path / "in")
    (place / "facilities.parquet").unlink()
    assert "facilities.parquet" in refused(place)
    (place / "facilities.parquet").write_bytes(b"PAR1 not really")
    assert "facilities.parquet" in refused(place)
    place = small(tmp_path / "other")
    frame = gpd.read_parquet(place / "plots.parquet")
    frame.drop(columns="id").to_parquet(place / "plots.parquet")
    assert "缺少列 · column missing: id" in refused(place)


def test_an_id_that_comes_twice_is_refused(tmp_path):
    place = small(tmp_path / "in")
    frame = gpd.read_parquet(place / "plots.parquet")
    frame.assign(id=7).to_parquet(place / "plots.parquet")
    assert "id 重复" in refused(place)


def test_kinds_may_be_words_and_ids_in_any_order(tmp_path):
    place = small(tmp_path / "in")
    frame = gpd.read_parquet(place / "facilities.parquet")
    frame.assign(kind=["water", "gas"], id=np.array([9, 4], dtype=np.uint64)).to_parquet(
        place / "facilities.parquet"
    )
    plots = gpd.read_parquet(place / "plots.parquet")
    plots.assign(id=[9, 3]).to_parquet(place / "plots.parquet")
    assert run("--data", place, "--out", tmp_path / "out").exit_code == 0
    near = tables(tmp_path / "out")["near"].to_pydict()
    assert (near["plot"], near["kind"], near["fac"]) == (
        [3, 3, 9, 9], ["gas", "water"] * 2, [4, 9] * 2,
    )  # fmt: skip


def test_folder_without_facilities_gives_empty_tables(tmp_path):
    place = small(tmp_path / "in", facilities=[])
    assert run("--data", place, "--out", tmp_path / "out").exit_code == 0
    assert [table.num_rows for table in tables(tmp_path / "out").values()] == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": [-1, 2]}, "id 为负"),
        ({"id": ["a", "b"]}, "id 不是整数"),
        ({"kind": [1.5, np.nan]}, "kind"),
        ({"kind": [None, "gas"]}, "kind"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(tmp_path, change, said):
    place = small(tmp_path / "in")
    frame = gpd.read_parquet(place / "facilities.parquet")
    frame.assign(**change).to_parquet(place / "facilities.parquet")
    assert said in refused(place)


@pytest.mark.parametrize("layer", ["plots", "service_areas"])
def test_points_and_lines_are_no_plots_and_no_areas(tmp_path, layer):
    mixed = [shapely.box(0, 0, 9, 9), shapely.Polygon(), shapely.LineString([(0, 0), (9, 9)])]
    assert f"{layer}.parquet: 图形应为面 · not a polygon: id 3" in refused(
        small(tmp_path / "in", **{layer: mixed})
    )


def test_bad_numbers_are_refused_by_name(tmp_path):
    place = small(tmp_path / "in")
    assert "--radius" in refused(place, "--radius", "-1")
    assert "--radius" in refused(place, "--radius", "nan")
    assert "--nearest" in refused(place, "--nearest", "0")
