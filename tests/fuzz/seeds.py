"""Honest files of every format, small, from which the fuzzer breeds its own; written with the tools that surveyors' software uses."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pyogrio
import shapely
from shapely import Polygon, box

UPLOADS = Path(__file__).parent.parent / "data" / "uploads"
SQUARE = box(110.35, 20.02, 110.351, 20.021)
PLOTS = (
    SQUARE,
    Polygon(
        box(110.36, 20.02, 110.361, 20.021).exterior.coords,
        [box(110.3602, 20.0202, 110.3604, 20.0204).exterior.coords],
    ),
    shapely.MultiPolygon(
        [box(110.37, 20.02, 110.371, 20.021), box(110.372, 20.02, 110.373, 20.021)]
    ),
)
SURVEY = """[属性描述]
格式版本号=1.01
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
带号=37
精度=0.001
转换参数=,,,,,,
[地块坐标]
5,0.5000,HK-T01,测试地块一,面,,二类工业用地,100102,@
J1,1,2215000.000,37432000.000
J2,1,2215000.000,37432100.000
J3,1,2215050.000,37432100.000
J4,1,2215050.000,37432000.000
J1,1,2215000.000,37432000.000
10,0.9600,HK-T02,测试地块二,面,,居住用地,0701,@
J1,1,2216000.000,37432000.000
J2,1,2216000.000,37432100.000
J3,1,2216100.000,37432100.000
J4,1,2216100.000,37432000.000
J1,1,2216000.000,37432000.000
J5,2,2216040.000,37432040.000
J6,2,2216040.000,37432060.000
J7,2,2216060.000,37432060.000
J8,2,2216060.000,37432040.000
J5,2,2216040.000,37432040.000
"""
POINTS = "地块编号,圈号,点号,X坐标,Y坐标,面积(公顷)\n" + "".join(
    f"甲-1,1,J{n},{x},{y},0.5\n"
    for n, (x, y) in enumerate(
        [(2215000, 37432000), (2215000, 37432100), (2215050, 37432100), (2215050, 37432000)], 1
    )
)
DXF_GROUPS = """
0 SECTION 2 HEADER 9 $ACADVER 1 AC1015 0 ENDSEC
0 SECTION 2 BLOCKS
0 BLOCK 8 0 2 LOT 10 0.0 20 0.0
0 LWPOLYLINE 8 宗地 90 4 70 1 10 0 20 0 10 50 20 0 42 0.5 10 50 20 30 10 0 20 30
0 ENDBLK
0 BLOCK 8 0 2 OUTER 10 0.0 20 0.0
0 INSERT 8 0 2 LOT 10 10 20 10 41 1 42 1 50 30
0 ENDBLK
0 ENDSEC
0 SECTION 2 ENTITIES
0 LWPOLYLINE 8 地块 90 4 70 1 10 37432000 20 2215000 10 37432100 20 2215000 42 0.2 10 37432100 20 2215050 10 37432000 20 2215050
0 TEXT 8 注记 10 37432050 20 2215020 40 2 1 甲-1
0 POLYLINE 8 地块 66 1 70 1
0 VERTEX 8 地块 10 37432200 20 2215000
0 VERTEX 8 地块 10 37432300 20 2215000 42 -0.3
0 VERTEX 8 地块 10 37432300 20 2215050
0 SEQEND
0 CIRCLE 8 地块 10 37432400 20 2215000 40 25
0 ELLIPSE 8 地块 10 37432500 20 2215000 11 30 21 0 40 0.5 41 0 42 6.283185307179586
0 SPLINE 8 地块 70 1 71 2 72 7 73 4 40 0 40 0 40 0 40 1 40 2 40 2 40 2 10 37432600 20 2215000 10 37432700 20 2215000 10 37432700 20 2215060 10 37432600 20 2215000
0 HATCH 8 地块 2 SOLID 70 1 91 1 92 1 93 3 72 1 10 37432800 20 2215000 11 37432850 21 2215000 72 2 10 37432825 20 2215000 40 25 50 0 51 180 73 1 72 1 10 37432800 20 2215000 11 37432800 21 2215000 97 0 75 0 76 1 98 0
0 INSERT 8 地块 2 OUTER 10 37432900 20 2215000 41 1 42 1 50 0
0 LINE 8 道路 10 37432000 20 2214990 11 37432900 21 2214990
0 ENDSEC
0 EOF
"""


def dxf(groups: str = DXF_GROUPS) -> bytes:
    """Return a drawing from `code value` pairs in one string."""
    tokens = groups.split()
    return "\n".join(tokens).encode() + b"\n"


def geojson(*shapes: shapely.Geometry, **more: object) -> bytes:
    """Return a feature collection."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": f"甲-{i}", "area_ha": 1.1},
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for i, shape in enumerate(shapes, 1)
    ]
    data = {"type": "FeatureCollection", "features": features, **more}
    return json.dumps(data, ensure_ascii=False).encode()


def kml() -> bytes:
    """Return a KML with a hole and a folder."""
    ring = "<LinearRing><coordinates>{}</coordinates></LinearRing>"

    def coordinates(ring_of: shapely.LinearRing) -> str:
        return " ".join(f"{x},{y},5" for x, y in ring_of.coords)

    shape = PLOTS[1]
    outer, inner = coordinates(shape.exterior), coordinates(shape.interiors[0])
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>'
        "<name>甲</name><Placemark><name>甲-1</name><ExtendedData><Data name='用途'><value>居住</value></Data></ExtendedData>"
        f"<Polygon><outerBoundaryIs>{ring.format(outer)}</outerBoundaryIs>"
        f"<innerBoundaryIs>{ring.format(inner)}</innerBoundaryIs></Polygon></Placemark></Folder></Document></kml>"
    ).encode()


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return sink.getvalue()


def workbook(rows: list[list[object]]) -> bytes:
    """Return an XLSX."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _written(driver: str, name: str, encoding: str | None = None) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        texts = [f"海口市地块{i}" for i in range(len(PLOTS))]
        if encoding:
            texts = [text.encode(encoding).decode("latin-1") for text in texts]
        pyogrio.raw.write(
            Path(folder) / name,
            np.array(
                [shapely.to_wkb(shapely.multipolygons([*shapely.get_parts(p)])) for p in PLOTS],
                dtype=object,
            ),
            [np.array(texts, dtype=object), np.array([1.5, 2.5, 3.5])],
            ["NAME", "AREA"],
            geometry_type="MultiPolygon",
            crs="EPSG:4490",
            driver=driver,
            **({"encoding": "ISO-8859-1"} if encoding else {}),
        )
        return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}


def honest() -> dict[str, bytes]:
    """Return file name → bytes of every seed: our own files and the collection of real ones."""
    shapefile = _written("ESRI Shapefile", "plots.shp", "gbk")
    wkt = 'code,wkt\n甲-1,"' + PLOTS[1].wkt + '"\n甲-2,"SRID=4490;' + PLOTS[2].wkt + '"\n'
    ours = {
        "survey.txt": SURVEY.encode("gbk"),
        "survey_utf8.txt": SURVEY.encode("utf-8-sig"),
        "points.csv": POINTS.encode(),
        "wkt.csv": wkt.encode("gb18030"),
        "points.xlsx": workbook([line.split(",") for line in POINTS.splitlines()]),
        "wkt.xlsx": workbook([["地块编号", "边界"], ["甲-1", PLOTS[1].wkt]]),
        "plots.geojson": geojson(*PLOTS),
        "plots.gpkg": _written("GPKG", "plots.gpkg")["plots.gpkg"],
        "gbk.zip": zipped({k: v for k, v in shapefile.items() if not k.endswith(".cpg")}),
        "plots.kml": kml(),
        "plots.kmz": zipped({"doc.kml": kml(), "files/a.png": b"\x89PNG"}),
        "plots.dxf": dxf(),
    }
    real = {p.name: p.read_bytes() for p in sorted(UPLOADS.iterdir()) if p.suffix != ".md"}
    return {**ours, **real}
