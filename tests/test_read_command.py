"""`landready read`: the command that says what an upload would become."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

UPLOADS = Path(__file__).parent / "data" / "uploads"
V1 = """[属性描述]
坐标系=2000国家大地坐标系
几度分带=3
带号=37
[地块坐标]
5,0.5000,HK-T01,测试地块一,面,,二类工业用地,100102,@
J1,1,2215000.000,37432000.000
J2,1,2215000.000,37432100.000
J3,1,2215050.000,37432100.000
J4,1,2215050.000,37432000.000
J1,1,2215000.000,37432000.000
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "landready"
    return subprocess.run(
        [command, "read", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_an_accepted_file_ends_with_0_and_lists_its_plots(tmp_path):
    path = tmp_path / "plots.txt"
    path.write_bytes(V1.encode("gbk"))
    done = run("--json", str(path))
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["accepted"], answer["problems"]) == (
        0,
        "",
        True,
        [],
    )
    plot = answer["plots"][0]
    assert plot["type"] == "Feature"
    assert plot["properties"] == {
        "code": "HK-T01",
        "name": "测试地块一",
        "declared_area_m2": 5000.0,
        "area_m2": pytest.approx(4999.430, abs=1e-3),
    }
    assert plot["geometry"]["coordinates"][0][0] == pytest.approx(
        [110.350114859, 20.022598003], abs=1e-9
    )
    people = run(str(path))
    assert (people.returncode, "HK-T01 测试地块一" in people.stdout) == (0, True)


def test_plots_that_lie_on_one_another_are_named(tmp_path):
    path = tmp_path / "plots.txt"
    path.write_text(
        V1 + V1.split("[地块坐标]\n")[1].replace("T01", "T02").replace("432000", "432010")
    )
    answer = json.loads(run("--json", str(path)).stdout)
    assert (answer["accepted"], [p["properties"]["code"] for p in answer["plots"]]) == (
        True, ["HK-T01", "HK-T02"],
    )  # fmt: skip
    (problem,) = (p for p in answer["problems"] if p["code"] == "overlap")
    assert (problem["severity"], problem["where"]) == ("error", "第 2 个图形")
    assert "HK-T01" in problem["message"]
    assert "4499.5" in problem["message"]


def test_a_refused_file_ends_with_2_and_says_why_and_where(tmp_path):
    path = tmp_path / "plots.txt"
    path.write_text(V1.replace("J4,1,2215050.000,37432000.000\n", ""))
    done = run("--json", str(path))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["accepted"]) == (2, False)
    problem = answer["problems"][0]
    assert (problem["code"], problem["severity"], problem["where"]) == (
        "survey_count",
        "error",
        "第 6 行",
    )
    assert "界址点" in problem["message"]
    assert "错误｜第 6 行｜" in run(str(path)).stdout


def test_the_configured_region_counts_unless_any_is_said():
    assert run(str(UPLOADS / "grenada.geojson")).returncode == 2
    assert run("--region", "any", str(UPLOADS / "grenada.geojson")).returncode == 0


def test_a_crs_the_file_does_not_state_can_be_given():
    drawing = str(UPLOADS / "closed_polyline_with_bulge.dxf")
    assert run("--region", "any", drawing).returncode == 2
    assert run("--region", "any", "--crs", "EPSG:4528", drawing).returncode == 0
    assert run("--region", "any", "--crs", "EPSG:1", drawing).returncode == 2


def test_a_file_that_is_not_there_is_one_line_and_2():
    done = run("nowhere.geojson")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere.geojson" in done.stderr
    assert len(done.stderr.splitlines()) == 1
