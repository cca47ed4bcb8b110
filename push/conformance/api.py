"""The API as the system under test sees it: the paths, models and rules of the product over the kit's books."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError

from geo.problems import Problem
from landready import answer_batches, answer_fields
from landready.answer_fields import AnswersIn, AnswersOut
from landready.answer_rules import batch_faults, relevant
from landready.clock import today
from landready.errors import Conflict, Invalid, LandreadyError, NotFound, NotSignedIn
from landready.settings import Settings
from landready.shapes import loaded
from push.conformance.book import Book, Call, Trouble
from push.conformance.events import UTILITY, Event
from push.journal import unknown_number
from push.journal_fields import AckIn, PullOut, PullQuery, RangeOut, RangeQuery, StandingOut
from push.messages import UTILITIES

_STATUS = {NotSignedIn: 401, NotFound: 404, Conflict: 409, Invalid: 422}
_TROUBLES = {Trouble.UNAVAILABLE: 503, Trouble.BUSY: 429, Trouble.REDIRECT: 307}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes

    @property
    def route(self) -> tuple[str, str]:
        return self.method, urlsplit(self.target).path


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out: after `hold_s` seconds, or not at all when it is `cut`."""

    status: int
    body: Any = None
    headers: Mapping[str, str] | None = None
    hold_s: float = 0
    cut: bool = False


class Api:
    """Answers for one enterprise with one key. `astray` is the port that redirects point to."""

    def __init__(
        self, book: Book, settings: Settings, key: str, *, slow_s: float, retry_after_s: int
    ) -> None:
        self.book = book
        self.astray = 0
        self._settings = settings
        self._key = key
        self._slow_s = slow_s
        self._retry_after_s = retry_after_s

    def handle(self, request: Request) -> Answer:
        """Answer one request and write it down."""
        said: AnswersIn | None = None
        try:
            self._admit(request)
            if request.route == ("POST", "/api/v1/answers"):
                said = AnswersIn.model_validate_json(request.body)
            answer = self._answers(request, said) if said else self._route(request)
        except ValidationError as error:
            faults = [
                {"where": ".".join(map(str, x["loc"])), "message": x["msg"]} for x in error.errors()
            ]
            answer = Answer(422, _problem(422, "Validation error", faults))
        except LandreadyError as error:
            answer = _refused(error, in_answers=said is not None)
        self.book.note(_call(request, answer, said))
        return answer

    def _admit(self, request: Request) -> None:
        """Let in who has the key; the list of codes is public."""
        key = request.headers.get("authorization", "").partition(" ")[2].strip()
        if request.route != ("GET", "/api/v1/codes") and key != self._key:
            raise NotSignedIn

    def _route(self, request: Request) -> Answer:
        query = dict(parse_qsl(urlsplit(request.target).query))
        match request.route:
            case ("GET", "/api/v1/codes"):
                return _said(answer_fields.codes(str, UTILITIES))
            case ("GET", "/api/v1/pushes"):
                return self._pull(PullQuery.model_validate(query))
            case ("POST", "/api/v1/pushes/ack"):
                return self._acknowledge(AckIn.model_validate_json(request.body))
            case ("GET", "/api/v1/reconcile"):
                return self._reconcile(RangeQuery.model_validate(query))
            case _:
                raise NotFound

    def _pull(self, query: PullQuery) -> Answer:
        standing = self.book.standing()
        after = standing.acknowledged if query.after is None else query.after
        return _said(PullOut.of(self.book.entries(after, query.limit), after, standing))

    def _acknowledge(self, ack: AckIn) -> Answer:
        if ack.number > self.book.last:
            raise unknown_number(ack.number, self.book.last)
        if ack.ids_sha256 is not None:
            ours = self.book.range(1, ack.number)
            if ours.ids_sha256 != ack.ids_sha256.lower():
                raise Conflict
        self.book.acknowledge(ack.number, proven=ack.ids_sha256 is not None)
        return _said(StandingOut.of(self.book.standing()))

    def _reconcile(self, query: RangeQuery) -> Answer:
        last = self.book.last if query.last is None else query.last
        return _said(RangeOut.of(self.book.range(query.first, last), self.book.standing()))

    def _answers(self, request: Request, said: AnswersIn) -> Answer:
        trouble = self.book.trouble(said.push)
        if trouble in _TROUBLES:
            return self._troubled(trouble, request.headers.get("host", ""))
        if trouble is Trouble.REFUSED:
            raise Invalid((_UNWANTED,))
        with self.book.lock:
            status, content = self._take(request, said)
        hold = self._slow_s if trouble is Trouble.SLOW else 0
        return Answer(
            status, content.model_dump(mode="json"), hold_s=hold, cut=trouble is Trouble.LOST
        )

    def _troubled(self, trouble: Trouble, host: str) -> Answer:
        elsewhere = f"http://{urlsplit(f'//{host}').hostname}:{self.astray}/api/v1/answers"
        headers = {
            Trouble.BUSY: {"Retry-After": str(self._retry_after_s)},
            Trouble.REDIRECT: {"Location": elsewhere},
        }
        status = _TROUBLES[trouble]
        return Answer(status, _problem(status, "Later."), headers.get(trouble))

    def _take(self, request: Request, body: AnswersIn) -> tuple[int, AnswersOut]:
        key = answer_batches.usable_key(request.headers.get("idempotency-key", ""))
        event = self.book.event_of(body.push)
        if event is None:
            raise NotFound
        known = self.book.batches.get(key)
        if known and (known.push, known.digest) != (body.push, body.digest()):
            raise Conflict
        if known is None:
            self._judge(event, body)
        taken = known or self.book.record(key, body)
        said = AnswersOut(
            push=str(body.push),
            outcome="same" if known else "recorded",
            answers=list(taken.made),
            open=self.book.open(event),
        )
        return (200 if known else 201), said

    def _judge(self, event: Event, body: AnswersIn) -> None:
        """Refuse what the product refuses, except what hangs on reservations."""
        asked = {(plot.code, UTILITY.value): (plot.id, UTILITY.value) for plot in event.plots}
        plots = {plot.id: plot for plot in event.plots}
        drafts = [relevant(one) for one in answer_batches.drafts_of(body.said(), asked)]
        found = batch_faults(
            drafts,
            loaded(plots[draft.plot_id].geom for draft in drafts),
            [plots[draft.plot_id].code for draft in drafts],
            today(datetime.now(UTC)),
            self._settings.check,
            self._settings.region,
        )
        if found:
            raise Invalid(tuple(found))


# As the product refuses an answer that does not fit what is left (landready.reserving).
_UNWANTED = Problem(
    "over_unconfirmed",
    "error",
    "一致性测试：对这次推送的答复一律拒绝 · conformance kit: whatever is answered to this push is refused",
    row=1,
)


def _said(model: BaseModel) -> Answer:
    return Answer(200, model.model_dump(mode="json", by_alias=True))


def _refused(error: LandreadyError, *, in_answers: bool) -> Answer:
    faults = [
        {
            "code": p.code,
            "severity": p.severity,
            "row": p.row,
            "where": answer_fields.where(p) if in_answers else p.where,
            "message": p.text.format(**p.params),
        }
        for p in getattr(error, "problems", ())
    ]
    status = _STATUS[type(error)]
    return Answer(status, _problem(status, str(error), faults, type(error).__name__))


def _problem(
    status: int, detail: str, faults: list[dict[str, Any]] | None = None, kind: str = ""
) -> dict[str, Any]:
    """Return problem details in the shape of web/errors.py."""
    return {
        "type": f"urn:landready:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "problems": faults or [],
    }


def _call(request: Request, answer: Answer, said: AnswersIn | None) -> Call:
    faults = answer.body.get("problems", ()) if answer.status >= HTTPStatus.BAD_REQUEST else ()
    return Call(
        *request.route,
        answer.status,
        said.push if said else None,
        request.headers.get("idempotency-key", ""),
        said.digest() if said else "",
        len(said.answers) if said else 0,
        tuple(str(x.get("code") or x["message"]) for x in faults),
    )
