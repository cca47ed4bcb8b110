"""Receiving a planning permit: one transaction from the record to pushes, outbox and the seeded application (R7–R9, 五(九))."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shapely import MultiPolygon
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from geo.problems import N_, Problem
from landready import identifiers, permit_fields, problems, proposed_items, seeding, shapes
from landready.db import as_engine
from landready.errors import Conflict, Invalid
from landready.organisations import Organisation
from landready.permit_fields import PROGRESS, PermitFields
from landready.permits import Permit
from landready.project_pushes import push_project
from landready.recipients import recipients
from landready.settings import Settings
from landready.sites import plot_at


def receive_permit(
    session: Session,
    settings: Settings,
    fields: PermitFields,
    *,
    source_id: int,
    now: datetime,
) -> Permit:
    """Record a permit, push the project to every enterprise it concerns, seed its one application.

    The number is the key: the same permit again is the same permit, whatever has become of its handling since (BLZT, BLSJ), and
    tells nobody twice. `source_id` is the system or the office that sends it.

    Raises:
        Invalid: with every error and warning; nothing is kept.
        Conflict: the number is known with other contents; `params["fields"]` names them.
    """
    shape, warnings = permit_fields.examined(fields, settings, now)
    payload = fields.payload()
    with as_engine(session):
        # Two messages at once about one number: the second waits and finds the first.
        claim(session, [fields])
        office = _office(session, fields.adcode, source_id)
        permit = session.scalar(
            select(Permit)
            .where(Permit.permit_no == fields.permit_no)
            .options(joinedload(Permit.plot))  # the sender may not see the plot itself
        )
        if permit is not None:
            _same(permit, payload)
        else:
            permit = _record(session, fields, payload, shape, warnings, office, source_id, now)
            concerned = recipients(session, settings, permit.geom, permit.city)
            push_project(session, permit, concerned, settings.clocks, now)
            application = seeding.seed(session, permit, concerned, now)
            proposed_items.propose(session, settings, application, permit, concerned, now)
    return permit


def claim(session: Session, permits: Iterable[PermitFields]) -> None:
    """Take the numbers and owners of these permits for this transaction.

    Always in the same order, so that two files never wait for each other in a circle.
    """
    numbers = {(fields.permit_no, 0) for fields in permits}
    owners = {(identifiers.tidy(fields.owner.credit_code), 1) for fields in permits}
    for key, kind in [*sorted(numbers), *sorted(owners)]:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, kind))))


def _same(known: Permit, payload: dict[str, Any]) -> None:
    """Take over how far the handling is by now; anything else that differs is a conflict."""
    differing = permit_fields.differing(known.payload, payload)
    if differing:
        raise Conflict(
            N_("许可证 {number} 已经收到过，但这次的 {fields} 不同，没有改变任何数据。"),
            number=known.permit_no,
            fields="、".join(differing),
        )
    if (payload["BLSJ"] or "") >= (known.payload["BLSJ"] or ""):
        news = {name: payload[name] for name in PROGRESS if payload[name] is not None}
        known.payload = {**known.payload, **news}


def _record(
    session: Session,
    fields: PermitFields,
    payload: dict[str, Any],
    shape: MultiPolygon,
    warnings: tuple[Problem, ...],
    office: Organisation,
    source_id: int,
    now: datetime,
) -> Permit:
    geom = shapes.stored([shape])[0]
    plot, doubts = plot_at(session, office.city, fields.plot_code, shape)
    kept = {name: value for name, value in payload.items() if name not in PROGRESS}
    permit = Permit(
        permit_no=fields.permit_no,
        source_id=source_id,
        office=office,
        owner=_owner(session, fields.owner),
        plot=plot,
        city=office.city,
        project_code=fields.project_code,
        works_code=fields.works_code,
        project_name=fields.project_name,
        address=fields.address,
        issued_on=fields.issued_on,
        payload=payload,
        payload_sha256=hashlib.sha256(
            json.dumps(kept, ensure_ascii=False, sort_keys=True).encode()
        ).hexdigest(),
        warnings=[problems.to_json(problem, "content") for problem in (*warnings, *doubts)],
        received_at=now,
        geom=geom,
    )
    session.add(permit)
    session.flush()
    return permit


def _office(session: Session, adcode: str, source_id: int) -> Organisation:
    """The office of the code itself, else of the city the district belongs to; an office sends for its own city only."""
    city = identifiers.city_of(adcode)
    offices = session.scalars(
        select(Organisation)
        .where(Organisation.kind == "office", Organisation.city.in_([adcode, city]))
        .order_by(Organisation.city != adcode, Organisation.id)
    ).all()
    if not offices:
        text = N_("行政区划代码 {code} 没有对应的自然资源和规划部门。")
        raise _refused("adcode_without_office", text, adcode)
    source = session.get_one(Organisation, source_id)
    if source.kind != "office":
        return offices[0]
    if source_id not in {office.id for office in offices}:
        text = N_("行政区划代码 {code} 不属于您的市县，许可证没有接收。")
        raise _refused("adcode_of_another", text, adcode)
    return source


def _refused(code: str, text: str, adcode: str) -> Invalid:
    return Invalid((Problem(code, "error", text, {"code": adcode}, where="XZQHDM"),))


def _owner(session: Session, owner: permit_fields.Owner) -> Organisation:
    """The owner of that credit code, made known when new; its account is given by the administrator."""
    code = identifiers.tidy(owner.credit_code)
    known = session.scalar(
        select(Organisation).where(Organisation.kind == "owner", Organisation.credit_code == code)
    )
    if known is None:
        known = Organisation(
            kind="owner",
            name=owner.name,
            city="",
            credit_code=code,
            utilities=[],
            phone=owner.phone,
        )
        session.add(known)
        session.flush()
    return known
