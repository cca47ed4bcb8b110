"""The text of a DXF file: pairs of a code and a value, gathered into entities and blocks. Nothing is drawn here."""

import math
from dataclasses import dataclass, field

from geo.errors import Refused, refuse
from geo.problems import N_, at_line

Group = tuple[int, str]
_VERTEX_FLAGS_CONTROL = 16


@dataclass(slots=True)
class Entity:
    """One entity with its groups in order; `vertices` are (x, y, bulge) of polylines and control points of splines."""

    kind: str
    line: int
    groups: list[Group] = field(default_factory=list)
    vertices: list[tuple[float, float, float]] = field(default_factory=list)

    def text(self, code: int) -> str:
        return next((value for c, value in self.groups if c == code), "")

    def number(self, code: int, otherwise: float = 0.0) -> float:
        return next((as_number(value) for c, value in self.groups if c == code), otherwise)

    def whole(self, code: int, otherwise: int = 0) -> int:
        return whole(self.number(code, otherwise))

    def numbers(self, code: int) -> list[float]:
        return [as_number(value) for c, value in self.groups if c == code]


@dataclass(slots=True)
class Block:
    """A named group of entities and the point that is put where it is inserted."""

    base: tuple[float, float]
    entities: list[Entity] = field(default_factory=list)


@dataclass(slots=True)
class Dxf:
    """Entities of the model, and the blocks they may insert."""

    entities: list[Entity] = field(default_factory=list)
    blocks: dict[str, Block] = field(default_factory=dict)


def as_number(value: str) -> float:
    """Return the number of a value; what is none becomes 0, what is too large stays not finite for the check that names it."""
    try:
        number = float(value)
    except ValueError:
        return 0.0
    return number if abs(number) < 1e15 or not math.isfinite(number) else math.inf


def whole(number: float) -> int:
    """Return a count or flags; what is no number, or absurdly large, is 0."""
    return int(number) if abs(number) < 1e9 else 0


def parse(text: str) -> Dxf:
    """Read the sections BLOCKS and ENTITIES.

    Raises:
        Refused: a code is no number, or the file ends early.
    """
    found = Dxf()
    section = ""
    block: Block | None = None
    for entity in _entities(text):
        if entity.kind == "SECTION":
            section = entity.text(2).upper()
        elif entity.kind == "ENDSEC":
            section, block = "", None
        elif section == "BLOCKS" and entity.kind == "BLOCK":
            block = Block((entity.number(10), entity.number(20)))
            found.blocks.setdefault(entity.text(2), block)
        elif section == "BLOCKS" and entity.kind == "ENDBLK":
            block = None
        elif section == "ENTITIES" or block is not None:
            _gather(found.entities if block is None else block.entities, entity)
    return found


def _entities(text: str) -> list[Entity]:
    """Split the pairs at every code 0."""
    found: list[Entity] = []
    lines = text.splitlines()
    ended = False
    for at in range(0, len(lines) - 1, 2):
        try:
            code = int(lines[at])
        except ValueError as error:
            raise _broken(at + 1) from error
        value = lines[at + 1].strip()
        if code == 0:
            ended = value == "EOF"
            found.append(Entity(value.upper(), at + 1))
        elif found:
            found[-1].groups.append((code, value))
    if not ended:
        raise _broken(len(lines))
    return found


def _broken(line: int) -> Refused:
    return refuse(
        "dxf_broken",
        N_("DXF 在第 {line} 行中断或有错误，文件可能没有传完。请重新导出后再上传。"),
        where=at_line(line),
        line=line,
    )


def _gather(entities: list[Entity], entity: Entity) -> None:
    """Add an entity; the vertices of an old-style polyline go to it."""
    last = entities[-1] if entities else None
    if entity.kind == "VERTEX" and last is not None and last.kind == "POLYLINE":
        if not entity.whole(70) & _VERTEX_FLAGS_CONTROL:
            last.vertices.append((entity.number(10), entity.number(20), entity.number(42)))
        return
    if entity.kind == "SEQEND":
        return
    if entity.kind in ("LWPOLYLINE", "SPLINE"):
        entity.vertices = _vertices(entity)
    entities.append(entity)


def _vertices(entity: Entity) -> list[tuple[float, float, float]]:
    found: list[list[float]] = []
    for code, value in entity.groups:
        if code == 10:
            found.append([as_number(value), 0.0, 0.0])
        elif found and code == 20:
            found[-1][1] = as_number(value)
        elif found and code == 42:
            found[-1][2] = as_number(value)
    return [(x, y, bulge) for x, y, bulge in found]
