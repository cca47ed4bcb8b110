"""/api/v1: what other systems call. The OpenAPI document follows from the models here."""

from typing import Literal

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field

from landready.db import Role, actor_of
from landready.permit_fields import PermitFields, example
from landready.permit_receipt import receive_permit
from landready.project_pages import pushed_to
from web.auth import only
from web.filters import sentence
from web.session import database, now, settings

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="permits")


_PERMITTED = {
    "permit_no": example()["permit_no"],
    "outcome": "created",
    "office": "Haikou Natural Resources and Planning",
    "owner": example()["owner"]["name"],
    "plot_code": "C0901",
    "pushed_to": ["Haikou Water", "Haikou Power"],
    "warnings": [],
}


class WarningOut(BaseModel):
    code: str
    where: str
    message: str


class PermitOut(BaseModel):
    """What became of a permit. `outcome` is `same` when the very same permit had arrived before."""

    permit_no: str
    outcome: Literal["created", "same"]
    office: str
    owner: str
    plot_code: str | None = Field(description="The plot of the supply plan it lies on, if any.")
    pushed_to: list[str] = Field(description="The enterprises the project was pushed to.")
    warnings: list[WarningOut]


@api.post("/permits")
@api.input(PermitFields, arg_name="permit", example=example())
@api.output(PermitOut, status_code=201, example=_PERMITTED)
@api.doc(
    summary="Report a planning permit",
    description=(
        "Pushes the project to every enterprise that serves the place and seeds the owner's joint application. Idempotent by"
        " `permit_no`: the same permit again answers 200 with `same`; the same number with other contents answers 409."
    ),
    security="key",
    responses={200: "The same permit had arrived before.", 409: "Known with other contents."},
)
@only(Role.EXCHANGE)
def permits(permit: PermitFields) -> ResponseReturnValue:
    session = database()
    source_id = actor_of(session).organisation_id or 0
    kept = receive_permit(session, settings(), permit, source_id=source_id, now=now())
    created = kept.received_at == now()
    body = PermitOut(
        permit_no=kept.permit_no,
        outcome="created" if created else "same",
        office=kept.office.name,
        owner=kept.owner.name,
        plot_code=kept.plot.code if kept.plot else None,
        pushed_to=pushed_to(session, kept.id),
        warnings=[
            WarningOut(code=w["code"], where=w["where"], message=sentence(w["text"], w["params"]))
            for w in kept.warnings
        ],
    )
    return body.model_dump(mode="json"), 201 if created else 200
