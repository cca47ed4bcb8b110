"""Four people and systems at once who try to list what is not ready, through HTTP, while a fifth connection looks on.

Each session is a process with a browser session of the planner, one of the supervisor, and the keys of both enterprises and of the
trading platform. The looker-on reads the tables as their owner, by SQL of its own.
"""

import json
import random
import re
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection, HTTPException
from time import perf_counter
from urllib.parse import urlencode

PASSWORD = "a soak needs no secret"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True)
class World:
    """What a session knows: the plan, its plots (id, code, a point inside), a push and a key per utility."""

    port: int
    city: str
    plan: int
    plots: tuple[tuple[int, str, tuple[float, float]], ...]
    pushes: dict[str, str]
    keys: dict[str, str]
    exchange: str
    today: date


class Browser:
    """A signed-in person; the token against forged requests is fetched again when it was refused."""

    def __init__(self, port: int, username: str) -> None:
        self.link = HTTPConnection("127.0.0.1", port, timeout=120)
        self.cookies: dict[str, str] = {}
        self.token = ""
        self.username = username
        self.enter()

    def enter(self) -> None:
        self.cookies.clear()
        self.token = _TOKEN.search(self.ask("GET", "/signin")[1])[1]
        status, _ = self.post("/signin", username=self.username, password=PASSWORD)
        assert status == 302, status
        self.token = _TOKEN.search(self.ask("GET", "/rules")[1])[1]

    def post(self, path: str, **form: object) -> tuple[int, str]:
        body = urlencode({"csrf_token": self.token, **form}, doseq=True)
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer, text = exchange(self.link, method, path, body, headers)
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return answer.status, text


def exchange(link: HTTPConnection, method: str, path: str, body: str | None, headers: dict):
    """One request over a kept connection; the server may have closed it in the meantime."""
    for last in (False, True):
        try:
            link.request(method, path, body, headers)
            answer = link.getresponse()
            return answer, answer.read().decode("utf-8", "replace")
        except (HTTPException, OSError):
            link.close()
            if last:
                raise
    raise AssertionError


class Session:
    def __init__(self, world: World, number: int, seed: int) -> None:
        self.world, self.random = world, random.Random(seed * 1000 + number)
        self.planner = Browser(world.port, f"planner{number}")
        self.supervisor = Browser(world.port, f"supervisor{number}")
        self.api = HTTPConnection("127.0.0.1", world.port, timeout=120)
        self.seen: Counter[str] = Counter()
        # What is done, and how often among the others.
        self.deeds = {
            self.list_one: 22,
            self.list_all: 4,
            self.move: 22,
            self.answer_ready: 16,
            self.answer_other: 14,
            self.answer_again: 2,
            self.state_title: 12,
            self.except_plot: 3,
            self.end_exception: 4,
            self.may_be_traded: 6,
            self.list_of_nobody: 1,
        }
        self.last = ""
        self.position, self.listings = "", dict[int, int]()

    def step(self) -> None:
        (deed,) = self.random.choices(list(self.deeds), list(self.deeds.values()))
        began = perf_counter()
        status = deed()
        self.seen[f"{deed.__name__} ms"] += int((perf_counter() - began) * 1000)
        self.seen[f"{deed.__name__} {status}"] += 1
        if status >= 500:
            self.seen["faults"] += 1

    def plot(self) -> tuple[int, str, tuple[float, float]]:
        return self.random.choice(self.world.plots)

    def list_one(self) -> int:
        return self.planner.post(f"/plots/{self.plot()[0]}/list")[0]

    def list_all(self) -> int:
        return self.planner.post(f"/plans/{self.world.plan}/list")[0]

    def list_of_nobody(self) -> int:
        return self.supervisor.post(f"/plots/{self.plot()[0]}/list")[0]

    def move(self) -> int:
        """Any move of any listing that was ever there, allowed or not; the later ones oftener."""
        status, text = self._get(f"/api/v1/listings?after={self.position}", "")
        if status == 200:
            found = json.loads(text)
            self.listings |= {one["id"]: one["plot_id"] for one in found["listings"]}
            self.position = found["next"]
        if not self.listings:
            return status
        listing = self.random.choice(sorted(self.listings)[-60:])
        (state,) = self.random.choices(
            ["listed", "suspended", "withdrawn", "sold"], [8, 4, 3, 0.05]
        )
        path = f"/plots/{self.listings[listing]}/listing/{listing}"
        return self.planner.post(path, state=state, reason="soak")[0]

    def answer_ready(self) -> int:
        return self._answer({"code": "ready"}, both=True)

    def answer_other(self) -> int:
        today, day = self.world.today, self.random.randint(-3, 500)
        said = self.random.choice(
            [
                {"code": "not_possible", "reason": "余量不足"},
                {"code": "not_concerned"},
                {"code": "ready_by", "works": "DN200", "ready_by": str(today + timedelta(days=day))},
                {"code": "ready", "valid_until": str(today + timedelta(days=self.random.randint(-1, 2)))},
            ]
        )  # fmt: skip
        return self._answer(said)

    def _answer(self, said: dict, *, both: bool = False) -> int:
        status = 0
        chosen = self.random.sample(self.world.plots, self.random.choice([1, 1, 1, 3]))
        for utility in ("water", "power") if both else (self.random.choice(["water", "power"]),):
            answers = [
                {
                    "plot": code,
                    "utility": utility,
                    "connection_point": {"type": "Point", "coordinates": list(at)},
                    "over_reason": "soak",
                    **said,
                }
                for _, code, at in chosen
            ]
            body = json.dumps({"push": self.world.pushes[utility], "answers": answers})
            self.last = json.dumps([utility, str(uuid.uuid4()), body])
            status = self._send_answer()
        return status

    def answer_again(self) -> int:
        """The same batch under the same key: nothing may come of it."""
        return self._send_answer() if self.last else 0

    def _send_answer(self) -> int:
        utility, key, body = json.loads(self.last)
        headers = {
            "Authorization": f"Bearer {self.world.keys[utility]}",
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        return exchange(self.api, "POST", "/api/v1/answers", body, headers)[0].status

    def state_title(self) -> int:
        clear = self.random.random() < 0.8
        day = self.world.today + timedelta(days=self.random.choice([0, 0, -30, 1]))
        return self.planner.post(
            f"/plots/{self.plot()[0]}/title", clear=int(clear), document="净地1号", document_date=day,
            note="" if clear else "有争议",
        )[0]  # fmt: skip

    def except_plot(self) -> int:
        return self.supervisor.post(
            "/rules/exemptions", city=self.world.city, lifts=self.random.choice(["water", "power", "title"]),
            start=self.world.today, end=self.world.today + timedelta(days=30), document="琼发1号",
            reason="soak", codes=self.plot()[1],
        )[0]  # fmt: skip

    def end_exception(self) -> int:
        found = re.findall(r"/rules/exemptions/(\d+)/end", self.supervisor.ask("GET", "/rules")[1])
        if not found:
            return 0
        path = f"/rules/exemptions/{self.random.choice(found)}/end"
        return self.supervisor.post(path, document="琼发2号", reason="soak")[0]

    def may_be_traded(self) -> int:
        path = f"/api/v1/plots/{self.plot()[1]}/tradable"
        return self._get(path, self.world.exchange)[0]

    def _get(self, path: str, key: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer, text = exchange(self.api, "GET", path, None, headers)
        return answer.status, text


def work(world: World, number: int, seed: int, steps: int, link) -> None:
    """Take steps and tell how many, and what was answered: now and then, and at the end, whatever ended it."""
    session, done = Session(world, number, seed), 0
    try:
        while done < steps:
            session.step()
            done += 1
            if done % 50 == 0:
                link.send((number, done, dict(session.seen)))
    finally:
        link.send((number, done, dict(session.seen)))
        link.close()


# What must hold of every listing that is on offer, read by the owner and in words of its own: the newest answer of somebody who
# was asked, the newest statement of title, the newest check, a certificate of this plot as it is, and the exceptions in force.
BYPASSES = """
with today as (select (now() at time zone 'Asia/Shanghai')::date as d),
rules as (
  select r.effects, r.horizon_days, r.check_days from rule_set r, today
  where r.kind = 'standard' and r.starts_on <= today.d and r.city in ('', %(city)s)
  order by r.city desc, r.starts_on desc, r.id desc limit 1),
lifted as (
  select unnest(e.lifts) as name, e.plots from rule_set e, today
  where e.kind = 'exemption' and today.d between e.starts_on and e.ends_on
    and e.id not in (select revokes from rule_set where revokes is not null)),
offered as (
  select l.id, l.plot_id, l.certificate_id, p.revision, u.utility from listing l join plot p on p.id = l.plot_id
  cross join (values ('water'), ('power')) as u(utility) where l.state = 'listed'),
yes as (
  select o.id, o.utility, exists (
    select 1 from (
      select a.*, row_number() over (partition by a.enterprise_id order by a.version desc) as n
      from answer a where a.plot_id = o.plot_id and a.utility = o.utility) a, rules, today
    where a.n = 1 and a.plot_revision = o.revision and coalesce(a.valid_until, 'infinity') >= today.d
      and (a.verdict = 'ready' or a.verdict = 'ready_by'
        and a.ready_by >= today.d and a.ready_by <= today.d + rules.horizon_days)) as said,
    exists (select 1 from lifted x where x.name = o.utility and (x.plots = '{}' or o.plot_id = any(x.plots))) as excepted
  from offered o)
select o.id, o.utility from offered o join yes using (id, utility), today
where not (yes.said or yes.excepted)
  or not exists (
    select 1 from certificate c where c.id = o.certificate_id and c.plot_id = o.plot_id and c.ready
      and c.plot_revision = o.revision and c.valid_until > now())
  or not (exists (select 1 from lifted x where x.name = 'title' and (x.plots = '{}' or o.plot_id = any(x.plots)))
    or coalesce((select t.clear and t.plot_revision = o.revision and t.document_date <= today.d
      from title_statement t where t.plot_id = o.plot_id order by t.id desc limit 1), false))
"""
