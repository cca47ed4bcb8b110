"""The reference system, run beside the kit in one process, and systems that break one rule each."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import urllib3
from standardwebhooks import Webhook

from push import signing
from push.conformance.api import Api
from push.conformance.book import Book
from push.conformance.checks import Level
from push.conformance.course import Course, Pace
from push.conformance.sender import Sender
from push.conformance.server import serving
from push.mock_enterprise import rules
from push.mock_enterprise.client import LOST, Client, _json
from push.mock_enterprise.receiver import Receiver, Server
from push.mock_enterprise.store import Store

KEY, NEW_KEY = signing.new_secret(), signing.new_secret()
API_KEY = "lr_conformance"
PACE = Pace(timeout_s=2, patience_s=5, quiet_s=1.5, plots=30, corners=4)


@dataclass(frozen=True)
class System:
    """What is under test: the reference, with the classes that a wrong one puts in their place."""

    receiver: type[Receiver] = Receiver
    client: type[Client] = Client
    secrets: tuple[str, ...] = (KEY, NEW_KEY)
    pace: Pace = PACE
    level: Level = Level.FULL


class Watched(Api):
    """The kit's API that keeps what it said."""

    def __init__(self, *given, **named) -> None:
        super().__init__(*given, **named)
        self.said = []

    def handle(self, request):
        answer = super().handle(request)
        self.said.append((request.route, answer))
        return answer


def run(system: System, settings):
    """Run the kit against a system; return its findings and the kit's API."""
    book = Book()
    api = Watched(
        book, settings, API_KEY, slow_s=system.pace.slow_s, retry_after_s=system.pace.retry_after_s
    )
    bell, stopping = threading.Event(), threading.Event()
    store = Store(":memory:")
    receiver = system.receiver(system.secrets, store, bell.set)
    with serving(api, "127.0.0.1", 0) as address, Server(("127.0.0.1", 0), receiver) as server:
        client = system.client(
            address, API_KEY, store, rules.load(rules.DEFAULT), lambda _: None, poll_s=1
        )
        receiver.client = client
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,))]
        if system.level is not Level.PUSH:
            threads.append(threading.Thread(target=client.run, args=(bell, stopping)))
        for one in threads:
            one.start()
        target = f"http://127.0.0.1:{server.server_port}/hook"
        sender = Sender(target, KEY, system.pace.timeout_s)
        try:
            course = Course(
                system.level,
                book,
                system.pace,
                None if system.level is Level.PULL else sender,
                NEW_KEY,
            )
            return course.run(), api
        finally:
            stopping.set()
            bell.set()
            server.shutdown()
            for one in threads:
                one.join()
            store.close()


def _age(headers) -> float:
    return abs(time.time() - int(headers["webhook-timestamp"]))


class TakesAnySignature(Receiver):
    def verified(self, headers, body):
        return _age(headers) < 300


class VerifiesWhatItWroteAnew(Receiver):
    def verified(self, headers, body):
        anew = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
        return super().verified(headers, anew.encode())


class HasNoClock(Receiver):
    def verified(self, headers, body):
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        given = headers.get("webhook-signature", "").split(" ")
        return any(
            Webhook(one).sign(headers["webhook-id"], at, body.decode()) in given
            for one in self.secrets
        )


class AllowsAMinute(Receiver):
    def verified(self, headers, body):
        return _age(headers) < 60 and super().verified(headers, body)


class ReadsTheFirstSignature(Receiver):
    def verified(self, headers, body):
        first = headers.get("webhook-signature", "").split(" ")[0]
        return super().verified({**headers, "webhook-signature": first}, body)


class LooksForTheNewSignature(Receiver):
    """Where there are two it looks for the new one alone, and has it not yet."""

    def verified(self, headers, body):
        given = headers.get("webhook-signature", "").split(" ")
        if len(given) == 2 and given[0].startswith("v1,"):
            headers = {**headers, "webhook-signature": given[0]}
            return Receiver((self.secrets[0],), self.store, self.wake).verified(headers, body)
        return super().verified(headers, body)


class FailsOnUnknownTypes(Receiver):
    def take(self, headers, body):
        if self.verified(headers, body) and json.loads(body)["type"].startswith("kit."):
            return 500
        return super().take(headers, body)


class CallsADuplicateAConflict(Receiver):
    def take(self, headers, body):
        known = self.store._rows("select 1 from event where id = ?", headers["webhook-id"])
        return 409 if known else super().take(headers, body)


class WantsNumbersInOrder(Receiver):
    def take(self, headers, body):
        if json.loads(body).get("number", 10**9) < self.store.highest():
            return 409
        return super().take(headers, body)


class TakesOneMegabyte(Receiver):
    def take(self, headers, body):
        return 413 if len(body) > 1_000_000 else super().take(headers, body)


class KeepsBeforeVerifying(Receiver):
    def take(self, headers, body):
        if json.loads(body).get("number"):
            self.keep(body)
        return super().take(headers, body)


class ForgetsWhatItHad(Receiver):
    """Every webhook is new to it."""

    def keep(self, body):
        super().keep(body)
        with self.store._transaction() as base:
            base.execute("update event set done = 0 where id = ?", (json.loads(body)["id"],))


class WorksBeforeAnswering(Receiver):
    def take(self, headers, body):
        status = super().take(headers, body)
        if status == 204:
            self.client.work()
        return status


class OneAtATime(Client):
    _turn = threading.Lock()

    def work(self):
        with self._turn:
            super().work()


class MakesAKeyPerBatch(Client):
    def batches(self, event):
        return [replace(one, key=str(uuid.uuid4())) for one in super().batches(event)]


class NeverPulls(Client):
    def pull(self):
        self._pulled_at = time.monotonic()


class MakesAKeyPerTry(Client):
    def call(self, method, path, body=None, headers=None):
        if headers:
            headers = {"Idempotency-Key": str(uuid.uuid4())}
        return super().call(method, path, body, headers)


class GivesUpAtAFailure(Client):
    def worth_another_try(self, reply):
        return reply.status != 503 and super().worth_another_try(reply)


class GivesUpAtSilence(Client):
    def worth_another_try(self, reply):
        return reply.status != LOST and super().worth_another_try(reply)


class DoesNotWait(Client):
    def call(self, method, path, body=None, headers=None):
        return replace(super().call(method, path, body, headers), retry_after=0)


class _Following(urllib3.PoolManager):
    def request(self, method, url, **given):
        return super().request(method, url, **{**given, "redirect": True})


class FollowsRedirects(Client):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        retries = urllib3.Retry(3, connect=0, read=0)
        self._http = _Following(retries=retries, timeout=20)


class InsistsOnWhatWasRefused(Client):
    def worth_another_try(self, reply):
        return reply.status == 422 or super().worth_another_try(reply)


class SendsOneBatch(Client):
    def batches(self, event):
        parts = super().batches(event)
        said = [one for part in parts for one in json.loads(part.body)["answers"]]
        if not parts:
            return []
        return [replace(parts[0], body=_json({"push": event["data"]["push"], "answers": said}))]


class NamesNoPoint(Client):
    def batches(self, event):
        return [replace(one, body=_without_points(one.body)) for one in super().batches(event)]


def _without_points(body: bytes) -> bytes:
    said = json.loads(body)
    for one in said["answers"]:
        one.pop("connection_point", None)
    return _json(said)


class HasOneKey(Client):
    def call(self, method, path, body=None, headers=None):
        return super().call(method, path, body, headers and {"Idempotency-Key": "key"})


class HasNoKey(Client):
    def call(self, method, path, body=None, headers=None):
        return super().call(method, path, body)


class NeverAcknowledges(Client):
    def prove(self):
        """Say nothing."""


class HashesWithoutLineFeeds(Client):
    def prove(self):
        number = self.store.contiguous()
        self.call("POST", "/pushes/ack", _json({"number": number, "ids_sha256": "0" * 64}))
