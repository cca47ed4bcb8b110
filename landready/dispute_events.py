"""What enterprises are told of disputes: that an answer of theirs is challenged, and what was decided."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from landready import outbox
from landready.db import Role, as_engine
from landready.dispute_rules import grounds
from landready.disputes import Dispute, DisputeStep
from landready.organisations import Organisation
from landready.pushes import Push
from landready.shapes import to_geojson


def opened(session: Session, dispute: Dispute) -> None:
    """Tell the enterprise whose answer is challenged, with the evidence on the map and the day until which it may answer."""
    with as_engine(session):
        push = session.get_one(Push, dispute.push_id)
        uid, office = str(push.uid), push.office
        challenger = session.get_one(Organisation, dispute.challenger_id)
    data = {
        **_about(dispute),
        "push": uid,
        "ground_name": grounds()[dispute.ground].name,
        "reason": dispute.reason,
        "mark": to_geojson(dispute.mark) if dispute.mark is not None else None,
        "challenger": {"kind": challenger.kind, "name": challenger.name},
        "office": {"name": office.name, "phone": office.phone},
        "due_on": dispute.due_on.isoformat(),
        "due_provisional": dispute.due_provisional,
    }
    _tell(session, dispute, "dispute.opened", dispute.enterprise_id, data, dispute.opened_at)


def decided(session: Session, dispute: Dispute, step: DisputeStep) -> None:
    """Tell the enterprise what was decided, and the challenger where that is an enterprise too."""
    who = session.get_one(Organisation, step.organisation_id)
    data = {
        **_about(dispute),
        "decision": step.kind,
        "reason": step.text,
        "decided_by": {"kind": who.kind, "name": who.name},
    }
    _tell(session, dispute, "dispute.decided", dispute.enterprise_id, data, step.at)
    if dispute.challenger.kind == Role.ENTERPRISE:
        _tell(session, dispute, "dispute.decided", dispute.challenger_id, data, step.at)


def _about(dispute: Dispute) -> dict[str, Any]:
    """What every event of a dispute says."""
    answer, plot = dispute.answer, dispute.plot
    return {
        "dispute": str(dispute.uid),
        "portal_path": f"/disputes/{dispute.id}",
        "plot": {"code": plot.code, "name": plot.name},
        "utility": dispute.utility,
        "answer": {"code": answer.verdict, "version": answer.version},
        "ground": dispute.ground,
    }


def _tell(
    session: Session,
    dispute: Dispute,
    type_: str,
    enterprise_id: int,
    data: dict[str, Any],
    now: datetime,
) -> None:
    own = enterprise_id == dispute.enterprise_id
    outbox.record(
        session,
        enterprise_id=enterprise_id,
        office_id=dispute.office_id,
        push_id=dispute.push_id if own else None,
        type_=type_,
        data=data,
        now=now,
    )
