"""Files made for the reader of uploads, and its answer in a few words."""

import json
import zipfile
from pathlib import Path

import shapely
from shapely import box

from landready.intake import Reading, read_file
from landready.settings import Region, Upload

UPLOADS = Path(__file__).parent / "data" / "uploads"
LIMITS = Upload()
HAINAN = Region(land=((108.2, 17.9, 111.5, 20.4), (107.8, 3.3, 119.2, 17.9)))
SQUARE = box(110.35, 20.02, 110.36, 20.03)

# file, accepted, plots, a problem it must name, CRS the user says
VERDICTS = [
    ("chinese_ldid_points.zip", False, 0, "geometry_kind", None),
    ("closed_polyline_with_bulge.dxf", False, 0, "crs_missing", None),
    ("closed_polyline_with_bulge.dxf", True, 1, None, "EPSG:4528"),
    ("coutwildrnp.zip", True, 67, None, None),
    ("curvepolygon.gpkg", True, 1, None, None),
    ("empty.csv", False, 0, "empty_file", None),
    ("empty_zipfile.zip", False, 0, "zip_empty", None),
    ("entity_expansion.gml", False, 0, "doctype", None),
    ("fuzz_dxf.dxf", False, 0, "format_mismatch", None),
    ("gbk_table_only.dbf", False, 0, "send_shapefile", None),
    ("grenada.geojson", True, 1, None, None),
    ("hatch.dxf", False, 0, "crs_missing", None),
    ("hatch.dxf", True, 3, None, "EPSG:4490"),
    ("line_r2000.dwg", False, 0, "send_dxf", None),
    ("mixed_crs.gpkg", False, 0, "several_layers", None),
    ("multipolygon_as_invalid_polygon.zip", True, 2, "rings_rebuilt", None),
    ("multipolygon_as_invalid_polygon.zip", True, 2, "rings_rebuilt", "EPSG:4490"),
    ("networklink.kml", False, 0, "network_link", None),
    ("null_geometry.kml", False, 0, "no_geometry", None),
    ("point_nan.zip", False, 0, "geometry_kind", None),
    ("poly_golden.zip", True, 10, None, None),
    ("polygon_altitude.kml", True, 1, None, None),
    ("testpoly_no_prj.zip", False, 0, "crs_missing", None),
    ("truncated.kml", False, 0, "xml_broken", None),
    ("uk_invalid_geometry.csv", True, 2, "geometry_invalid", None),
    ("us_county_extract.zip", True, 1, None, None),
    ("utf16_le.csv", False, 0, "table_no_geometry", None),
    ("zip_in_zip.zip", False, 0, "zip_nested", None),
]


def read(
    path: Path,
    *,
    region: Region | None = None,
    crs: str | None = None,
    kind="plots",
    limits=LIMITS,
    swap: bool = False,
) -> Reading:
    return read_file(path, limits, region=region, crs=crs, kind=kind, swap=swap)


def codes(reading: Reading, severity: str | None = None) -> set[str]:
    return {p.code for p in reading.problems if severity in (None, p.severity)}


def collection(*shapes, crs=None, **properties) -> dict[str, object]:
    features = [
        {
            "type": "Feature",
            "properties": {"code": f"P{i}", **properties},
            "geometry": json.loads(shapely.to_geojson(s)),
        }
        for i, s in enumerate(shapes, 1)
    ]
    return {"type": "FeatureCollection", "features": features} | ({"crs": crs} if crs else {})


def geojson(folder: Path, *shapes, name="plots.geojson", **more) -> Path:
    path = folder / name
    path.write_text(json.dumps(collection(*shapes, **more)), encoding="utf-8")
    return path


def zipped(folder: Path, parts: dict[str, bytes], name="upload.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in parts.items():
            archive.writestr(member, data)
    return path
