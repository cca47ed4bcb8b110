"""勘测定界界址点坐标交换格式 (TXT): the text that boundary surveys are exchanged in.

The grammar is that of the land approval reporting software, not of a standard; the seventeen quirks treated here were
seen in files of practice (domain facts §1). X is the northing and comes first.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import shapely
from shapely import LinearRing
from shapely.geometry.base import BaseGeometry

from geo import crs, guard
from geo.boundary import BoundaryPoint, Ring, closed_rings, xy
from geo.errors import Refused, refuse
from geo.problems import N_, Problem, at_line
from geo.repair import ring_area_m2
from geo.shapes import assemble
from geo.source import Record, Source

FIELDS = [
    "界址点数",
    "地块面积(公顷)",
    "地块编号",
    "地块名称",
    "图形属性",
    "图幅号",
    "地块用途",
    "地类编码",
]
_KINDS = {"面", "线", "点"}
_BLOCK = re.compile(r"^[\[【]\s*(.+?)\s*[\]】]$")
# More digits than a coordinate or an area can have are no number.
_NUMBER = re.compile(r"^[+-]?\d{1,15}(\.\d*)?$")
_AREA = re.compile(r"^(\d{1,15}(?:\.\d+)?)\s*(公顷|hm2|hm²|ha|亩|平方米|㎡|m2|m²)?$", re.IGNORECASE)
_HECTARES = {"亩": 1 / 15, "平方米": 1e-4, "㎡": 1e-4, "m2": 1e-4, "m²": 1e-4}


@dataclass(slots=True)
class _Plot:
    line: int
    values: dict[str, object]
    kind: str
    count: int | None
    points: list[BoundaryPoint] = field(default_factory=list)


@dataclass(slots=True)
class _Parse:
    header: dict[str, str] = field(default_factory=dict)
    plots: list[_Plot] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    refused: bool = False

    def note(
        self,
        code: str,
        severity: Literal["error", "warning"],
        text: str,
        line: int,
        *,
        row: int | None = None,
        **params: object,
    ) -> None:
        """Note a fault at a line; an error refuses the file. `row` defaults to the plot being read."""
        self.refused = self.refused or severity == "error"
        row = row or len(self.plots) or None
        self.problems.append(
            Problem(code, severity, text, {"line": line, **params}, row=row, where=at_line(line))
        )

    def error(
        self, code: str, text: str, line: int, row: int | None = None, /, **params: object
    ) -> None:
        self.note(code, "error", text, line, row=row, **params)

    def warn(self, code: str, text: str, line: int, **params: object) -> None:
        self.note(code, "warning", text, line, **params)  # type: ignore[arg-type]


def parse(
    text: str,
    *,
    declared_crs: str | None = None,
    boxes: tuple[crs.Box, ...] = (),
    swap: bool = False,
) -> Source:
    """Read the whole text into plots. Grammar faults are errors with their line; repairs are warnings with theirs.

    `declared_crs` is what the user said; it settles what the file leaves open. `boxes` (lon/lat) tell longitude from
    latitude in files that hold degrees. `swap`: the user confirmed that X and Y stand in each other's column.

    Raises:
        Refused: this is not such a file, or it is in Xian 1980 or Beijing 1954.
    """
    run = _Parse()
    _read_lines(run, text)
    if not run.plots:
        if not run.problems:
            raise _not_a_survey()
        return Source("survey", None, FIELDS, [], run.problems, refused=True)
    for number, plot in enumerate(run.plots, 1):
        _check_count(run, plot, number)
        if swap:
            plot.points = [replace(p, x=p.y, y=p.x) for p in plot.points]
    source = _as_source(run, declared_crs, boxes)
    source.swapped = swap
    return source


def _read_lines(run: _Parse, text: str) -> None:
    section: str | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().lstrip("\ufeff").strip()
        if not line:
            continue
        if block := _BLOCK.match(line):
            section = block[1]
        elif section == "属性描述" and not ("=" not in line and "," in line.replace("，", ",")):
            key, _, value = unicodedata.normalize("NFKC", line).partition("=")
            run.header[key.strip()] = value.strip()
        elif section in ("地块坐标", "属性描述") or (
            section is None and "," in line.replace("，", ",")
        ):
            _body_line(run, line, number)
        elif section is None:
            raise _not_a_survey()


def _not_a_survey() -> Refused:
    return refuse(
        "survey_not",
        N_(
            "这个 TXT 不是界址点坐标文件：没有以“@”结尾的地块行。请按“界址点数,面积,编号,名称,面,图幅号,用途,地类编码,@”的格式导出。"
        ),
    )


def _body_line(run: _Parse, line: str, number: int) -> None:
    plain = unicodedata.normalize("NFKC", line)
    is_header = plain.endswith("@")
    # Names keep their full-width brackets; only the grammar of a header is made half-width.
    text = line.replace("，", ",").replace("＠", "@") if is_header else plain
    if text != line and not any(p.code == "survey_fullwidth" for p in run.problems):
        run.warn("survey_fullwidth", N_("第 {line} 行起有全角字符，已按半角读取。"), number)
    if is_header:
        _plot_header(run, text, number)
    else:
        _coordinate(run, text, number)


def _plot_header(run: _Parse, line: str, number: int) -> None:
    tokens = [token.strip() for token in line.split(",")]
    if len(tokens) < 6:
        run.error(
            "survey_header",
            N_("第 {line} 行：地块行应有 9 项并以“@”结尾，只有 {count} 项。"),
            number,
            count=len(tokens),
        )
        tokens += [""] * 9
    tokens.pop(tokens.index("@") if "@" in tokens else -1)
    at = next((i for i, token in enumerate(tokens[:6]) if token in _KINDS), 4)
    count_text = tokens[at - 4] if at >= 4 else ""
    has_count = count_text.isdecimal() and len(count_text) < 10
    after = [*tokens[at + 1 :], "", "", ""][:3]
    values: dict[str, object] = dict(
        zip(
            FIELDS,
            [count_text, None, tokens[at - 2], tokens[at - 1], tokens[at], *after],
            strict=True,
        )
    )
    plot = _Plot(number, values, tokens[at] or "面", int(count_text) if has_count else None)
    run.plots.append(plot)
    values["地块面积(公顷)"] = _hectares(run, tokens[at - 3] if at >= 3 else "", number)
    if not has_count:
        run.warn("survey_no_count", N_("第 {line} 行没有写界址点数，按实际点数读取。"), number)
    elif len(tokens) < 8:
        run.warn("survey_short_header", N_("第 {line} 行少一个逗号，已按空项补齐。"), number)


def _hectares(run: _Parse, text: str, line: int) -> float | None:
    if not text:
        return None
    found = _AREA.match(unicodedata.normalize("NFKC", text))
    if not found:
        run.warn(
            "survey_area",
            N_("第 {line} 行的地块面积“{value}”不是数字，未采用。"),
            line,
            value=text[:40],
        )
        return None
    return float(found[1]) * _HECTARES.get((found[2] or "公顷").lower(), 1.0)


def _coordinate(run: _Parse, line: str, number: int) -> None:
    if not run.plots:
        if not run.refused:
            run.error("survey_order", N_("第 {line} 行：界址点前面没有以“@”结尾的地块行。"), number)
        return
    tokens = [token.strip() for token in line.rstrip(", ").split(",")]
    if len(tokens) != 4 or not (_NUMBER.match(tokens[2]) and _NUMBER.match(tokens[3])):
        run.error(
            "survey_point",
            N_("第 {line} 行读不出界址点，应为“点号,圈号,X坐标,Y坐标”：{value}"),
            number,
            value=line[:60],
        )
        return
    run.plots[-1].points.append(
        BoundaryPoint(number, tokens[0], tokens[1], float(tokens[2]), float(tokens[3]))
    )


def _check_count(run: _Parse, plot: _Plot, row: int) -> None:
    real = len(plot.points)
    if plot.count is None or plot.count == real:
        return
    short = real < plot.count
    text = (
        N_(
            "第 {line} 行写明 {count} 个界址点，实际只有 {real} 个（到第 {last} 行为止），可能漏了点。"
        )
        if short
        else N_(
            "第 {line} 行写明 {count} 个界址点，实际有 {real} 个（到第 {last} 行为止），按实际点数读取。"
        )
    )
    last = plot.points[-1].line if plot.points else plot.line
    severity: Literal["error", "warning"] = "error" if short else "warning"
    run.note(
        "survey_count", severity, text, plot.line, row=row, count=plot.count, real=real, last=last
    )


def _as_source(run: _Parse, declared: str | None, boxes: tuple[crs.Box, ...]) -> Source:
    written = [(row, p) for row, plot in enumerate(run.plots, 1) for p in plot.points]
    degrees = bool(written) and guard.in_degrees(p for _, p in written)
    turned = degrees and guard.longitude_first(written, boxes, run.problems)
    rings = [
        _rings(run, plot, row, turned=turned) if plot.kind == "面" else [plot.points]
        for row, plot in enumerate(run.plots, 1)
    ]
    if degrees:
        system = declared or (crs.STORED if _datum_known(run) else None)
    else:
        stated = guard.Stated(
            _datum_known(run),
            _int(run.header.get("带号", "")),
            _int(run.header.get("几度分带") or run.header.get("分带", "")),
        )
        points = [(row, p) for row, found in enumerate(rings, 1) for ring in found for p in ring]
        system = guard.decide(points, stated, declared, run.error)
    records = [
        Record(row, _shape(plot, found, turned=turned), plot.values, at_line(plot.line))
        for row, (plot, found) in enumerate(zip(run.plots, rings, strict=True), 1)
    ]
    return Source("survey", system, FIELDS, records, run.problems, refused=run.refused)


def _shape(plot: _Plot, rings: list[Ring], *, turned: bool) -> BaseGeometry | None:
    if plot.kind == "面":
        return assemble([LinearRing(xy(r, turned=turned)) for r in rings]) if rings else None
    places = xy(plot.points, turned=turned)
    if not places:
        return None
    if plot.kind == "点" or len(places) < 2:
        return shapely.MultiPoint(places)
    return shapely.LineString(places)


def _rings(run: _Parse, plot: _Plot, row: int, *, turned: bool) -> list[Ring]:
    def note(point: BoundaryPoint, code: str, text: str, before: Ring, after: Ring) -> None:
        areas = [
            round(ring_area_m2(np.array(xy(ring, turned=turned))), 2) for ring in (before, after)
        ]
        run.note(
            code, "warning", text, point.line, row=row,
            label=point.label, before=areas[0], after=areas[1],
        )  # fmt: skip

    return [ring for ring in closed_rings(plot.points, note) if _enough(run, row, ring)]


def _enough(run: _Parse, row: int, ring: Ring) -> bool:
    if len({(p.x, p.y) for p in ring}) >= 3:
        return True
    text = N_("第 {line} 行起的一圈不足 3 个不同的界址点，围不成面积。")
    run.note("survey_ring_short", "error", text, ring[0].line, row=row)
    return False


def _datum_known(run: _Parse) -> bool:
    """Does the header name CGCS2000?

    Raises:
        Refused: it names Xian 1980 or Beijing 1954.
    """
    datum = run.header.get("坐标系", "")
    if "2000" in datum or "CGCS" in datum.upper():
        return True
    if "80" in datum or "西安" in datum:
        raise crs.old_datum("crs_xian80", "1980 西安坐标系")
    if "54" in datum or "北京" in datum:
        raise crs.old_datum("crs_beijing54", "1954 北京坐标系")
    return False


def _int(text: str) -> int | None:
    found = re.search(r"\d+", text)
    return int(found[0]) if found and len(found[0]) < 10 else None
