"""Rows for tests, everything defaulted: a test names what it is about. They need a transaction of the engine."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from typing import TypeVar

import shapely
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.crs import geodesic_area_m2
from landready import certificates, plot_facts
from landready.answers import Answer
from landready.base_layers import BaseFeature, BaseLayer
from landready.certificates import Certificate
from landready.checks import Check
from landready.facts import PlotFacts
from landready.layers import Facility, Layer, ServiceArea, seal
from landready.organisations import Account, Organisation, issue_key
from landready.plans import Plot, SupplyPlan, Upload
from landready.pushes import Push, PushPlot
from landready.readiness import Readiness
from landready.settings import load
from landready.shapes import geojson_of, multi, stored
from landready.titles import TitleStatement
from landready.utilities import Utility

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # a Monday morning in Hainan
HAIKOU = "460100"
SANYA = "460200"
# A corner in Haikou; one metre is about 9.56e-6 degrees of longitude and 9.03e-6 of latitude there.
LON, LAT = 110.35, 20.02
_EAST, _NORTH = 9.56e-6, 9.03e-6
PASSWORD = "correct horse battery"

_numbers = count(1)
Row = TypeVar("Row")


def metres(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude about `x` metres east and `y` metres north of the corner."""
    return LON + x * _EAST, LAT + y * _NORTH


def square(x: float = 0, y: float = 0, side: float = 100) -> shapely.Polygon:
    """A lon/lat square of about `side` metres with its south-west corner at `metres(x, y)`."""
    return shapely.box(*metres(x, y), *metres(x + side, y + side))


def point(x: float, y: float) -> shapely.Point:
    """A lon/lat point about `x` metres east and `y` metres north of the corner."""
    return shapely.Point(metres(x, y))


def make_organisation(session: Session, kind: str, **given: object) -> Organisation:
    number = next(_numbers)
    values: dict[str, object] = {"name": f"{kind} {number}", "city": HAIKOU, "utilities": []}
    return _add(session, Organisation(kind=kind, **{**values, **given}))


def make_office(session: Session, **given: object) -> Organisation:
    return make_organisation(session, "office", **given)


def make_enterprise(session: Session, *utilities: Utility | str, **given: object) -> Organisation:
    names = [str(u) for u in utilities or (Utility.WATER,)]
    return make_organisation(session, "enterprise", utilities=names, **given)


def make_owner(session: Session, **given: object) -> Organisation:
    return make_organisation(session, "owner", **{"city": "", **given})


def make_department(session: Session, **given: object) -> Organisation:
    return make_organisation(session, "department", **given)


def make_supervisor(session: Session, **given: object) -> Organisation:
    return make_organisation(session, "supervisor", **given)


def make_account(session: Session, organisation: Organisation, **given: object) -> Account:
    number = next(_numbers)
    password = str(given.pop("password", PASSWORD))
    values: dict[str, object] = {
        "username": f"user{number}",
        "full_name": f"Person {number}",
        "active": True,
        "created_at": NOW,
    }
    account = Account(
        organisation_id=organisation.id,
        password_hash=_hashed(password),
        **{**values, **given},
    )
    return _add(session, account)


@cache
def _hashed(password: str) -> str:
    """Argon2 is slow on purpose, at every sign-in too; a hash says itself how dear its check is, so these are cheap."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def make_key(session: Session, organisation: Organisation, now: datetime = NOW) -> str:
    return issue_key(session, organisation.id, "test", now)


def make_upload(session: Session, organisation: Organisation, **given: object) -> Upload:
    """An upload whose file is not kept; `features` as landready.uploads keeps them."""
    values: dict[str, object] = {
        "kind": "plots",
        "title": f"upload {next(_numbers)}",
        "filename": "plots.geojson",
        "stored_as": "none.geojson",
        "sha256": "0" * 64,
        "source_crs": "EPSG:4490",
        "created_at": NOW,
    }
    return _add(session, Upload(organisation_id=organisation.id, **{**values, **given}))


def feature(geometry: shapely.Geometry, row: int = 1, **properties: object) -> dict[str, object]:
    """A feature as an upload keeps it."""
    return {
        "type": "Feature",
        "row": row,
        "geometry": geojson_of(geometry),
        "properties": properties,
        "area_m2": geodesic_area_m2(geometry) or None,
    }


def make_plan(
    session: Session,
    office: Organisation | None = None,
    *,
    plots: int = 0,
    north: float = 0,
    **given: object,
) -> SupplyPlan:
    """A draft with `plots` squares in a row, 200 m apart and `north` metres up; `state="released"` makes it a released one."""
    office = office or make_office(session)
    values: dict[str, object] = {
        "city": office.city,
        "title": f"plan {next(_numbers)}",
        "state": "draft",
        "created_at": NOW,
    }
    if given.get("state") == "released":
        values["released_at"] = NOW
    upload = given.pop("upload", None) or make_upload(session, office)
    plan = _add(
        session,
        SupplyPlan(office_id=office.id, upload_id=upload.id, **{**values, **given}),
    )
    for number in range(plots):
        make_plot(session, plan, geometry=square(200 * number, north), row=number + 1)
    session.refresh(plan, ["plots"])
    return plan


def make_plot(session: Session, plan: SupplyPlan | None = None, **given: object) -> Plot:
    plan = plan or make_plan(session)
    number = next(_numbers)
    geometry = given.pop("geometry", None) or square()
    values: dict[str, object] = {
        "row": number,
        "code": f"P-{number}",
        "name": f"plot {number}",
        "use": "二类工业用地",
        "use_code": "100102",
        "area_m2": 10_000.0,
        "declared_area_m2": 10_000.0,
        "plot_ratio": "≤1.0",
        "plot_ratio_value": 1.0,
        "quarter": "2026Q2",
        "geom": stored([multi(geometry)])[0],
    }
    clear = given.pop("clear", True)
    plot = Plot(plan_id=plan.id, office_id=plan.office_id, city=plan.city, **{**values, **given})
    _add(session, plot)
    if clear:
        make_title(session, plot)
    return plot


def make_title(session: Session, plot: Plot, **given: object) -> TitleStatement:
    """The statement that the plot's land is clear."""
    values: dict[str, object] = {
        "plot_revision": plot.revision,
        "clear": True,
        "document": "净地证明〔2026〕1号",
        "document_date": date(2026, 1, 5),
        "stated_at": NOW,
    }
    return _add(
        session,
        TitleStatement(plot_id=plot.id, office_id=plot.office_id, **{**values, **given}),
    )


def make_certificate(session: Session, plot: Plot, **given: object) -> Certificate:
    """A certificate of a plot that nothing was asked about, continuing its city's chain."""
    rules = load(env={}).gate.all()[0]
    now = given.pop("now", NOW)
    facts = PlotFacts(plot.revision, released=True)
    judged = [(plot, facts, Readiness(rules=rules, **given))]
    return certificates.issue(session, judged, plot_facts.calendar(), NOW.date(), now)[0]


def make_check(session: Session, plot: Plot, utility: Utility | str, **given: object) -> Check:
    """A check that found the plot served and no facility near."""
    values: dict[str, object] = {
        "plot_revision": plot.revision,
        "measured_at": NOW,
        "working_crs": "EPSG:4546",
        "radius_m": 2000.0,
        "served_share": 1.0,
        "layers": [],
    }
    return _add(
        session,
        Check(
            plot_id=plot.id, office_id=plot.office_id, utility=str(utility), **{**values, **given}
        ),
    )


def make_layer(
    session: Session,
    enterprise: Organisation | None = None,
    *shapes: shapely.Geometry,
    kind: str = "facilities",
    utility: Utility | str | None = None,
    spare_capacity: float | None = None,
    **given: object,
) -> Layer:
    """A current layer with one facility, or service area, per shape."""
    enterprise = enterprise or make_enterprise(session)
    values: dict[str, object] = {
        "title": f"layer {next(_numbers)}",
        "version": 1,
        "current": True,
        "feature_count": len(shapes),
        "created_at": NOW,
    }
    layer = Layer(
        enterprise_id=enterprise.id,
        kind=kind,
        utility=str(utility or enterprise.utilities[0]),
        **{**values, **given},
    )
    _add(session, layer)
    for row, geom in enumerate(shapes, 1):
        common = {
            "layer_id": layer.id, "enterprise_id": enterprise.id, "row": row, "name": f"{layer.title} {row}",
        }  # fmt: skip
        if kind == "facilities":
            session.add(Facility(geom=stored([geom])[0], spare_capacity=spare_capacity, **common))
        else:
            session.add(ServiceArea(geom=stored([multi(geom)])[0], **common))
    session.flush()
    seal(session, layer)
    return layer


def make_base_layer(
    session: Session,
    office: Organisation,
    *features: tuple[shapely.Geometry, dict[str, object]],
    kind: str = "roads",
    **given: object,
) -> BaseLayer:
    """A current base layer of an office: shapes in lon/lat, each with what is known of it."""
    values: dict[str, object] = {
        "title": f"base {next(_numbers)}",
        "version": 1,
        "current": True,
        "feature_count": len(features),
        "created_at": NOW,
    }
    layer = _add(session, BaseLayer(office_id=office.id, kind=kind, **{**values, **given}))
    for row, (geom, known) in enumerate(features, 1):
        session.add(
            BaseFeature(
                layer_id=layer.id, office_id=office.id, row=row, geom=stored([geom])[0], **known
            )
        )
    session.flush()
    return layer


def make_push(
    session: Session,
    plan: SupplyPlan | None = None,
    enterprise: Organisation | None = None,
    **given: object,
) -> Push:
    """A plan pushed to an enterprise: every plot for each of its utilities, measured a minute before where it was not yet."""
    plan = plan or make_plan(session, plots=1, state="released")
    enterprise = enterprise or make_enterprise(session)
    values: dict[str, object] = {"pushed_at": NOW, "due_on": date(2026, 3, 9)}
    push = Push(
        kind="plan",
        enterprise_id=enterprise.id,
        office_id=plan.office_id,
        plan_id=plan.id,
        **{**values, **given},
    )
    _add(session, push)
    session.refresh(plan, ["plots"])
    pairs = select(Check.plot_id, Check.utility).where(
        Check.plot_id.in_([plot.id for plot in plan.plots])
    )
    measured = {tuple(pair) for pair in session.execute(pairs)}
    for plot in plan.plots:
        for utility in enterprise.utilities:
            if (plot.id, utility) not in measured:
                before = push.pushed_at - timedelta(minutes=1)
                make_check(session, plot, utility, measured_at=before)
            session.add(
                PushPlot(
                    push_id=push.id,
                    plot_id=plot.id,
                    enterprise_id=enterprise.id,
                    office_id=plan.office_id,
                    utility=utility,
                )
            )
    session.flush()
    session.expire(push, ["plots"])
    return push


def make_answer(session: Session, push: Push | None = None, **given: object) -> Answer:
    """The answer "ready" of a push's enterprise for its first plot and utility."""
    push = push or make_push(session)
    asked = push.plots[0]
    plot = given.pop("plot", None) or session.get_one(Plot, asked.plot_id)
    values: dict[str, object] = {
        "utility": asked.utility,
        "plot_revision": plot.revision,
        "version": 1,
        "verdict": "ready",
        "connection_point": stored([shapely.from_wkb(plot.geom.desc).centroid])[0],
        "answered_at": NOW,
    }
    answer = Answer(
        push_id=push.id,
        plot_id=plot.id,
        enterprise_id=push.enterprise_id,
        office_id=push.office_id,
        **{**values, **given},
    )
    return _add(session, answer)


def _add(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row
