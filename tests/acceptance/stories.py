"""The people of a story at their pages: what each does there, and what the pages then say."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urldefrag

from sqlalchemy import Engine
from standardwebhooks import Webhook

from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from tests import factories as make
from tests.acceptance.conftest import Answer, Person, Product, wait_for
from tests.push.receiver import Receiver

_BOX = re.compile(r'name="asked" value="(\d+:\w+)"')
_NEAREST = re.compile(r'<span class="text-nowrap">([\d,.]+) (k?m)</span>')
_NAMED = re.compile(r'<th scope="row"><a [^>]*>(.*?)</a>')
_PAGES = re.compile(r'class="page-link"[^>]*>(\d+)<')
_COUNT = re.compile(r'class="mark stage-(\w+)".*?class="source[^"]*">(\d+) 个地块')
_PLOT = re.compile(r'<th scope="row"><a href="(/plots/\d+)">(.*?)</a>')
_MARK = re.compile(r'class="cell cell-(\w+)[" ]')
_BLOCKER = re.compile(
    r'<li><span class="utility utility-(\w+)">.*?</span> (?:<strong>(.*?)</strong>)?'
)


@dataclass(frozen=True)
class Asked:
    """One line of a push: what its box sends, the plot's name or code, and metres to the nearest own facility."""

    box: str
    plot: str
    nearest_m: float


def hire(product: Product, database: Engine, organisation: Organisation) -> Person:
    """Somebody of an organisation, signed in."""
    with transaction(database, ENGINE) as session:
        account = make.make_account(session, organisation)
    return product.person(account.username)


def publish(
    engineer: Person,
    utility: str,
    kind: str,
    file: tuple[str, bytes],
    columns: Mapping[str, str] = {},
) -> None:
    """Upload a file, name its columns, and publish it as a version of the enterprise's layer."""
    form = {"utility": utility, "kind": kind, "title": file[0]}
    at = _path(_done(engineer.send("/layers/upload", form, {"file": file})))
    if columns:
        _done(engineer.send(f"{at}/columns", _named(columns)))
    said = _done(engineer.send(f"{at}/publish")).text
    assert ("已提交第 1 版" if kind == "service_areas" else "已发布第 1 版") in said


def approve_areas(planner: Person) -> None:
    """Approve every service area that waits for the office."""
    waiting = re.findall(r"/areas/\d+/approve", planner.get("/areas").text)
    assert waiting
    for address in waiting:
        _done(planner.send(address))


def draft(planner: Person, title: str, file: tuple[str, bytes]) -> str:
    """Upload a plan and return the path of its page."""
    return _path(_done(planner.send("/plans/upload", {"title": title}, {"file": file})))


def name_columns(planner: Person, plan: str, columns: Mapping[str, str]) -> None:
    _done(planner.send(f"{plan}/columns", _named(columns)))


def release(planner: Person, plan: str) -> str:
    """Release a plan, state clear title of it and return its page with the receipt."""
    page = _done(planner.send(f"{plan}/release")).text
    state_title(planner, plan)
    return page


def state_title(planner: Person, plan: str) -> None:
    form = {"document": "净地证明〔2026〕1号", "document_date": "2026-01-05", "clear": "1"}
    assert "净地声明" in _done(planner.send(f"{plan}/title", form)).text


def pushed(engineer: Person) -> str:
    """The path of the one push in the inbox."""
    (path,) = set(re.findall(r'href="(/pushes/\d+)"', _done(engineer.get("/inbox")).text))
    return path


def answer_each(
    engineer: Person, utility: str, answer_to: Callable[[Asked], Mapping[str, str] | None]
) -> Counter[str]:
    """Answer one utility of the one push, page by page, all plots of a page that get the same answer at once.

    None: the plot is left without an answer. Returns how many plots got which verdict.
    """
    push, given = pushed(engineer), Counter[str]()
    page, pages = 1, 1
    while page <= pages:
        text = _done(engineer.get(f"{push}?utility={utility}&page={page}")).text
        pages = max(map(int, _PAGES.findall(text)), default=1)
        groups: dict[str, list[str]] = {}
        for line in lines(text):
            groups.setdefault(json.dumps(answer_to(line)), []).append(line.box)
        for words, boxes in groups.items():
            if said := json.loads(words):
                form = {"asked": boxes, "page": page, "utility": utility, **said}
                saved = _done(engineer.send(f"{push}/answers", form))
                assert f"已保存 {len(boxes)} 项答复" in saved.text
                given[said["verdict"]] += len(boxes)
        page += 1
    return given


def lines(page: str) -> Iterator[Asked]:
    """The lines of a push's page."""
    for row in page.split("<tr>"):
        if box := _BOX.search(row):
            near, named = _NEAREST.search(row), _NAMED.search(row)
            assert near, row
            assert named, row
            factor = 1000 if near[2] == "km" else 1
            yield Asked(box[1], unescape(named[1]), float(near[1].replace(",", "")) * factor)


def list_ready(planner: Person, plan: str) -> int:
    """Put everything on offer that is ready; how many the page says it was."""
    told = re.search(r"(\d+) 个地块已上架", _done(planner.send(f"{plan}/list")).text)
    assert told
    return int(told[1])


def stages(planner: Person, plan: str) -> dict[str, int]:
    """How many plots the board of a released plan counts in each stage."""
    page = _done(planner.get(f"{plan}/board")).text
    return {stage: int(n) for stage, n in _COUNT.findall(page)}


@dataclass(frozen=True)
class Row:
    """One plot in the table of a released plan: the path of its page, its code, and where it stands for each utility."""

    path: str
    code: str
    standings: tuple[str, ...]


def rows(planner: Person, plan: str) -> list[Row]:
    """The plots of a released plan from all pages of its table; standings in the order of the gate's utilities."""
    found: list[Row] = []
    page = 1
    while True:
        text = _done(planner.get(f"{plan}/board/rows?page={page}")).text
        for row in text.split('<tr id="plot-'):
            if plot := _PLOT.search(row):
                found.append(Row(plot[1], unescape(plot[2]), tuple(_MARK.findall(row)[:6])))
        if f'page={page + 1}#plots"' not in text:
            return found
        page += 1


def refusal(planner: Person, plot: str) -> set[tuple[str, str]]:
    """Try to list one plot that is not ready: the utilities and enterprises that the refusal names."""
    refused = planner.send(f"{plot}/list")
    assert refused.status == 409, (plot, refused.status)
    alert = refused.text.split('role="alert"')[1].split("</section>")[0]
    return {(utility, unescape(enterprise)) for utility, enterprise in _BLOCKER.findall(alert)}


def feed(product: Product) -> list[dict[str, Any]]:
    """The public feed from the start to its end, as a trading platform follows it."""
    reader, found, since = product.person(), [], ""
    while True:
        answer = _done(reader.get(f"/api/v1/listings{since}")).json
        if not answer["listings"]:
            return found
        found += answer["listings"]
        since = "?after=" + answer["next"]


def register_receiver(admin: Person, enterprise: Organisation, receiver: Receiver) -> str:
    """Let an enterprise's own system be told; the secret that the page shows once."""
    path = f"/organisations/{enterprise.id}/endpoints"
    secret = re.search(
        r'value="(whsec_[^"]+)"', _done(admin.send(path, {"url": receiver.url})).text
    )
    assert secret
    page = admin.get(f"/organisations/{enterprise.id}").text
    approve = re.search(rf"{path}/\d+/networks", page)
    assert approve
    assert "127.0.0.1/32" in admin.send(approve[0], {"network": "127.0.0.1/32"}).text
    return unescape(secret[1])


def awaited(receiver: Receiver, secret: str, type_: str, number: int) -> list[Any]:
    """Wait for so many events of a type; the data of each, once, its signature checked with the format's own library."""
    found: dict[str, Any] = {}

    def all_came() -> bool:
        for request in list(receiver.requests):
            if request.id not in found:
                found[request.id] = Webhook(secret).verify(request.body, dict(request.headers))
        return sum(event["type"] == type_ for event in found.values()) >= number

    wait_for(all_came)
    return [event["data"] for event in found.values() if event["type"] == type_]


def _named(columns: Mapping[str, str]) -> dict[str, str]:
    return {f"column_{ours}": theirs for ours, theirs in columns.items()}


def _done(answer: Answer) -> Answer:
    assert answer.status == 200, (answer.status, answer.url, answer.text[-3000:])
    return answer


def _path(answer: Answer) -> str:
    return urldefrag(answer.url).url
