"""A permitted project pushed to every enterprise it concerns (R8): one application, many recipients."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from landready import clock, outbox, seeding, shapes
from landready.answers import Answer
from landready.permits import Permit
from landready.plans import Plot
from landready.pushes import Push
from landready.recipients import Recipients
from landready.settings import Clocks


def push_project(
    session: Session, permit: Permit, concerned: Recipients, clocks: Clocks, now: datetime
) -> None:
    """Owe the project to every enterprise at the same time, with the clock of its first contact (五(九), 五(十)1).

    Writes one push and one event `project.permitted` per enterprise; needs to be the engine.
    """
    due = clock.due(clock.today(now), clocks.contact_days)
    plot = session.get(Plot, permit.plot_id) if permit.plot_id else None
    answers = seeding.valid_answers(session, plot, clock.today(now))
    pushes = {
        enterprise_id: Push(
            kind="project",
            enterprise_id=enterprise_id,
            office_id=permit.office_id,
            owner_id=permit.owner_id,
            permit_id=permit.id,
            pushed_at=now,
            due_on=due.day,
            due_provisional=due.provisional,
        )
        for enterprise_id in concerned
    }
    session.add_all(pushes.values())
    session.flush()
    project = _told(permit, plot)
    for enterprise_id, push in pushes.items():
        own = [answer for (who, _), answer in answers.items() if who == enterprise_id]
        outbox.record(
            session,
            enterprise_id=enterprise_id,
            office_id=permit.office_id,
            push_id=push.id,
            type_="project.permitted",
            data={
                "push": str(push.uid),
                "due_on": due.day.isoformat(),
                "due_provisional": due.provisional,
                "utilities": [utility.value for utility in concerned[enterprise_id]],
                **project,
                "answers": [_answer(answer) for answer in own],
            },
            now=now,
        )


def _told(permit: Permit, plot: Plot | None) -> dict[str, Any]:
    """What every enterprise is told of a project: enough to call on the owner (主动上门对接), nothing of the others' answers."""
    said = permit.payload
    names = ("permit_no", "XMDM", "GCDM", "XZQHDM", "project_name", "address", "issued_on")
    return {
        "project": {name: said[name] for name in (*names, "floor_area_m2", "uses")},
        "owner": said["owner"],
        "boundary": shapes.to_geojson(permit.geom),
        "plot": None
        if plot is None
        else {"code": plot.code, "name": plot.name, "use": plot.use, "area_m2": plot.area_m2},
    }


def _answer(answer: Answer) -> dict[str, Any]:
    place = answer.connection_point
    return {
        "utility": answer.utility,
        "version": answer.version,
        "verdict": answer.verdict,
        "connection_point": None if place is None else shapes.to_geojson(place),
        "spare_capacity": answer.spare_capacity,
        "works": answer.works,
        "ready_by": answer.ready_by and answer.ready_by.isoformat(),
    }
