"""One file read from bytes to measured features. Only the guarded child (geo.child) may run this: here hostile files are opened."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TextIO

import shapely

from geo import archive, attributes, drawing, features, formats, geojson, layers, survey, tables
from geo.crs import parse
from geo.errors import Refused
from geo.problems import N_, Problem
from geo.source import Source
from geo.text import decode

_LISTED = 500


def _source(path: Path, kind: str, request: dict[str, Any], bounds: archive.Bounds) -> Source:
    folder, most = path.parent, int(request["limits"]["features"])
    areas = request["kind"] != "facilities"
    boxes = tuple(tuple(box) for box in request["boxes"])
    match kind:
        case "geojson":
            return geojson.read(path, features=most)
        case "survey":
            text = decode(path.read_bytes())
            return survey.parse(
                text, declared_crs=request["crs"], boxes=boxes, swap=request["swap"]
            )
        case "csv" | "xlsx":
            rows = int(request["limits"]["vertices"])
            asked = tables.Asked(most, rows, areas, request["crs"], boxes, request["swap"])
            if kind == "csv":
                return tables.read_csv(path, asked)
            archive.check_workbook(path, folder, bounds)
            return tables.read_xlsx(path, asked)
        case "shapefile":
            shape = archive.unpack_shapefile(path, folder, bounds)
            source = layers.read(shape, "shapefile", features=most)
            features.note_ring_roles(source, layers.ring_areas(shape))
            return source
        case "kmz" | "kml":
            plain = archive.unpack_kml(path, folder, bounds) if kind == "kmz" else path
            formats.check_kml(plain)
            source = layers.read(plain, "kml", features=most)
            source.format = kind
            return source
        case "dxf":
            return drawing.read(path, features=most, areas=areas)
        case _:
            return layers.read(path, kind, features=most)


def _read(request: dict[str, Any]) -> tuple[str, Source | None, features.Result]:
    path, limits = Path(request["path"]), request["limits"]
    bounds = archive.Bounds(limits["unpacked_mb"] << 20, limits["ratio"], limits["members"])
    kind, source = "", None
    try:
        if request["crs"]:
            parse(request["crs"])
        kind = formats.recognise(path, request["suffix"], bounds)
        source = _source(path, kind, request, bounds)
        terms = features.Terms(
            request["kind"],
            request["crs"],
            tuple(tuple(box) for box in request["boxes"]),
            limits["vertices"],
            limits["vertices_per_feature"],
            swap=request["swap"],
        )
        return kind, source, features.measure(source, terms)
    except Refused as refusal:
        # What the reader itself found stands before the reason to stop.
        found = source.problems if source else []
        return kind, source, features.Result(problems=[*found, refusal.problem], refused=True)


def _listed(problems: list[Problem]) -> list[Problem]:
    """As many problems as a person reads, errors first, and how many more there are: a broken file may have millions."""
    errors = [p for p in problems if p.severity == "error"]
    if len(problems) <= _LISTED:
        return problems
    kept = (errors + [p for p in problems if p.severity != "error"])[:_LISTED]
    text = N_("还有 {count} 处问题没有列出。请先改正列出的问题。")
    severity: Literal["error", "warning"] = "error" if len(errors) > _LISTED else "warning"
    return [*kept, Problem("more_problems", severity, text, {"count": len(problems) - _LISTED})]


def _problem(problem: Problem) -> dict[str, object]:
    return {**asdict(problem), "params": dict(problem.params)}


def answer(request: dict[str, Any]) -> None:
    """Read the file at `request["path"]` and write what it holds as JSON to `request["answer"]`."""
    with Path(request["answer"]).open("w", encoding="utf-8", errors="replace") as file:
        _write(request, file)


def _write(request: dict[str, Any], file: TextIO) -> None:
    kind, source, result = _read(request)
    head = {
        "accepted": not result.refused,
        "format": kind,
        "source_crs": result.source_crs,
        "fields": source.fields if source else [],
        "problems": [_problem(p) for p in _listed(result.problems)],
    }
    file.write(json.dumps(head, ensure_ascii=False)[:-1])
    file.write(',"features":[')
    for number, measured in enumerate(result.features):
        facts = {
            "row": measured.record.row,
            "properties": measured.record.properties,
            "area_m2": measured.area_m2,
            "declared_area_m2": measured.declared_area_m2,
        }
        text = json.dumps(facts, ensure_ascii=False, default=attributes.text)[:-1]
        file.write(
            f'{"," if number else ""}{text},"geometry":{shapely.to_geojson(measured.geometry)}}}\n'
        )
    file.write("]}")
