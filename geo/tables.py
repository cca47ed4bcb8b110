"""CSV and XLSX with the boundary as WKT in a column, as a list of its points, or with points in two columns of coordinates."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import openpyxl.reader.excel
import shapely
from shapely.geometry.base import BaseGeometry

from geo import points
from geo.crs import Box
from geo.errors import Refused, refuse
from geo.problems import N_, Problem, at_line
from geo.repair import RING_CLOSED, area_m2, repaired
from geo.shapes import closed_wkt, from_wkt
from geo.source import Record, Source
from geo.text import decode

_WKT = re.compile(
    r"^\s*(?:SRID=(\d{4,6});)?\s*((?:MULTI)?(?:POLYGON|LINESTRING|POINT)|GEOMETRYCOLLECTION)\b",
    re.IGNORECASE,
)
_WKT_NAMES = ("wkt", "geometry", "geom", "the_geom", "boundary", "边界", "图形", "坐标", "坐标串")
_X = ("lon", "lng", "long", "longitude", "经度", "东经", "x", "东坐标")
_Y = ("lat", "latitude", "纬度", "北纬", "y", "北坐标")
_CELL = 32 << 20
# How many rows of titles may stand above a header.
_TITLES = 10
# What openpyxl raises at a workbook that is damaged.
DAMAGED = (
    KeyError,
    ValueError,
    TypeError,
    OSError,
    SyntaxError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a table: at most so many features and rows; `areas`: rows may be points of areas (geo.points)."""

    features: int
    rows: int
    areas: bool
    crs: str | None
    boxes: tuple[Box, ...]
    swap: bool


def read_csv(path: Path, asked: Asked) -> Source:
    """Read a table separated by commas, semicolons or tabs, in UTF-8, UTF-16 or GB18030.

    Raises:
        Refused: not a table, no boundary in it, or too many rows.
    """
    text = decode(path.read_bytes())
    first = text.split("\n", 1)[0]
    delimiter = max("\t,;，", key=first.count)
    csv.field_size_limit(_CELL)
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=delimiter)
    try:
        return _source("csv", reader, asked)
    except csv.Error as error:
        raise _damaged() from error


def read_xlsx(path: Path, asked: Asked) -> Source:
    """Read the first sheet of a workbook; formulas count as the values they last showed.

    Raises:
        Refused: damaged, no boundary in it, or too many rows.
    """
    try:
        book = openpyxl.reader.excel.load_workbook(
            path, read_only=True, data_only=True, keep_links=False
        )
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        return _source(
            "xlsx", ([_cell(c) for c in row] for row in sheet.iter_rows(values_only=True)), asked
        )
    except Refused:
        raise
    except DAMAGED as error:
        raise _damaged() from error


def _damaged() -> Refused:
    return refuse(
        "damaged", N_("文件已损坏、没有传完，或不是有效的数据，无法读取。请重新导出后再上传。")
    )


def _cell(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _source(kind: str, rows: Iterable[Sequence[object]], asked: Asked) -> Source:
    table = _filled(rows, asked.rows)
    fields = _fields(table[0][1])
    body = table[1:]
    column = _wkt_column(fields, body)
    if column is None and asked.areas and (listed := _point_list(table)) is not None:
        at, found = listed
        return points.read(
            kind,
            _fields(table[at][1]),
            table[at + 1 :],
            found,
            declared_crs=asked.crs,
            boxes=asked.boxes,
            swap=asked.swap,
        )
    if len(body) > asked.features:
        raise _too_many(asked.features)
    pair = None if column is not None else _xy_columns(fields)
    if column is None and pair is None:
        raise refuse(
            "table_no_geometry",
            N_(
                "表格里没有边界：需要一列 WKT（如 POLYGON((…))），或每行一个界址点（地块编号、圈号、点号、X 坐标、Y 坐标）。请补充后再上传，或改用 Shapefile、GeoJSON、界址点 TXT。"
            ),
        )
    used = {column, *(pair or ())}
    source = Source(kind, None, [name for i, name in enumerate(fields) if i not in used], [])
    srids: set[str] = set()
    for row, (line, cells) in enumerate(body, 1):
        cells += [None] * (len(fields) - len(cells))
        properties = {name: cells[i] for i, name in enumerate(fields) if i not in used}
        where = at_line(line)
        if column is not None:
            shape = _wkt(cells[column], srids, row, where, source.problems)
        else:
            shape = _point(cells, pair, row, where, source.problems)
        source.records.append(Record(row, shape, properties, where))
    if len(srids) > 1:
        raise refuse(
            "several_crs",
            N_("表格里的 WKT 使用了不同的坐标系（{names}）。请统一后再上传。"),
            names="、".join(sorted(srids)[:5]),
        )
    source.crs = f"EPSG:{srids.pop()}" if srids else None
    return source


def _filled(rows: Iterable[Sequence[object]], most: int) -> list[points.Row]:
    """The rows that are not empty, with their lines."""
    table: list[points.Row] = []
    for line, cells in enumerate(rows, 1):
        if any(cell not in (None, "") for cell in cells):
            table.append((line, list(cells)))
        if len(table) > most:
            raise _too_many(most)
    if len(table) < 2:
        raise refuse("empty_file", N_("文件是空的。"))
    return table


def _too_many(limit: int) -> Refused:
    return refuse("too_many_features", N_("图形超过 {limit} 个，请拆分后再上传。"), limit=limit)


def _fields(cells: Sequence[object]) -> list[str]:
    return [str(cell or "").strip() or f"#{i}" for i, cell in enumerate(cells, 1)]


def _point_list(table: Sequence[points.Row]) -> tuple[int, points.Columns] | None:
    """Where the header of a point list stands (a title may be above it) and its columns; None: it is none."""
    for at, (_, cells) in enumerate(table[:_TITLES]):
        found = points.columns(_fields(cells))
        if found is not None:
            return (at, found) if points.is_list(found, table[at + 1 :]) else None
    return None


def _wkt_column(fields: list[str], body: list[tuple[int, list[object]]]) -> int | None:
    """The column of WKT: by what it holds; among several the one with areas, then the one with the usual name."""
    scores: dict[int, tuple[int, int]] = {}
    for _, cells in body[:50]:
        for i, cell in enumerate(cells[: len(fields)]):
            if isinstance(cell, str) and (found := _WKT.match(cell)):
                areal, count = scores.get(i, (0, 0))
                scores[i] = (areal + ("POLYGON" in found[2].upper()), count + 1)
    if not scores:
        return None
    return max(scores, key=lambda i: (scores[i], fields[i].lower() in _WKT_NAMES, -i))


def _xy_columns(fields: list[str]) -> tuple[int, int] | None:
    plain = [field.lower().split("(")[0].split("（")[0].strip() for field in fields]
    x = next((plain.index(name) for name in _X if name in plain), None)
    y = next((plain.index(name) for name in _Y if name in plain), None)
    return None if x is None or y is None else (x, y)


def _wkt(
    cell: object, srids: set[str], row: int, where: str, problems: list[Problem]
) -> BaseGeometry | None:
    if cell in (None, ""):
        return None
    text = str(cell)
    found = _WKT.match(text)
    if found and found[1]:
        srids.add(found[1])
        text = text.split(";", 1)[1]
    shape = from_wkt(text) if found else None
    if shape is None and found and (shape := closed_wkt(text)) is not None:
        area = area_m2(shape)
        problems.append(repaired("ring_closed", RING_CLOSED, area, area, row, where))
    if shape is None:
        problems.append(
            Problem(
                "wkt_broken", "error", N_("这一行的 WKT 写法有误，无法读取。"), row=row, where=where
            )
        )
        return shapely.Point()
    return shapely.force_2d(shape)


def _point(
    cells: list[object], pair: tuple[int, int] | None, row: int, where: str, problems: list[Problem]
) -> BaseGeometry | None:
    if pair is None:
        return None
    try:
        return shapely.Point(*(float(str(cells[i])) for i in pair))
    except ValueError:
        problems.append(
            Problem("xy_broken", "error", N_("这一行的坐标不是数字。"), row=row, where=where)
        )
        return shapely.Point()
