"""`landready conformance`: try an enterprise's system and write down what it showed."""

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from standardwebhooks import Webhook

from landready import seal, settings
from landready.cli import run
from push.addresses import BadUrl, parse
from push.conformance import report
from push.conformance.api import Api
from push.conformance.book import Book
from push.conformance.checks import Level
from push.conformance.course import Course, Pace
from push.conformance.sender import Sender
from push.conformance.server import serving


@click.command("conformance")
@click.option("--target", help="Address of the receiver under test. Without it nothing is pushed.")
@click.option("--key", envvar="LANDREADY_CONFORMANCE_KEY", help="The signing secret whsec_… that the receiver has.")  # fmt: skip
@click.option("--new-key", default="", envvar="LANDREADY_CONFORMANCE_NEW_KEY", help="A second secret that it has as well: shows the end of a change of secrets.")  # fmt: skip
@click.option("--api-key", envvar="LANDREADY_CONFORMANCE_API_KEY", help="The key lr_… that the system sends to the API. Without it only receiving is tried.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="The kit's API listens at this address.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=9300, show_default=True)
@click.option("--patience", type=click.FloatRange(1, 3600), default=60, show_default=True, help="Seconds to wait for what the system must do.")  # fmt: skip
@click.option("--quiet", type=click.FloatRange(0.1, 3600), default=10, show_default=True, help="Seconds to wait for what it must not do.")  # fmt: skip
@click.option(
    "--report", "file", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("conformance-report.json"), show_default=True, help="The signed report; the table goes beside it as .txt.",
)  # fmt: skip
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the signed report instead of the table.")  # fmt: skip
def main(
    target: str | None,
    key: str | None,
    new_key: str,
    api_key: str | None,
    host: str,
    port: int,
    patience: float,
    quiet: float,
    file: Path,
    language: report.Language,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Play LandReady towards an enterprise's system and say which rules of docs/integrators.md it keeps.

    --target and --key try a receiver, --api-key a client that pulls and answers, all three both. Loopback and private addresses
    are sent to: who runs the kit names the target. Exit 0: nothing failed; 1: something did; 2: bad input.
    """
    level = _level(target, key, new_key, api_key)
    given = settings.load()
    signer = seal.Seal(seal.signing_key(given))
    pace = Pace(given.push.timeout_s, patience, quiet)
    book = Book()
    sender = Sender(target, key, pace.timeout_s) if target and key else None
    began = datetime.now(UTC)
    with ExitStack() as stack:
        if level is not Level.PUSH:
            api = Api(book, given, api_key or "", slow_s=pace.slow_s, retry_after_s=pace.retry_after_s)  # fmt: skip
            try:
                address = stack.enter_context(serving(api, host, port))
            except OSError as error:
                raise click.UsageError(f"{host}:{port}: {error.strerror}") from error
            click.echo(f"API: {address}/api/v1", err=True)
        course = Course(level, book, pace, sender, new_key, say=lambda one: click.echo(one, err=True))  # fmt: skip
        findings = course.run()
    shown = report.Report(level, target or "", began, datetime.now(UTC), findings)
    _write(shown, signer, file, language, as_json=as_json)
    sys.exit(1 if shown.failed else 0)


def _level(target: str | None, key: str | None, new_key: str, api_key: str | None) -> Level:
    """Return what can be tried with what was given."""
    if bool(target) != bool(key):
        raise click.UsageError("--target and --key go together")
    if not target and not api_key:
        raise click.UsageError("give --target and --key, or --api-key, or all three")
    try:
        parse(target or "http://localhost")
    except BadUrl as error:
        raise click.UsageError(f"--target is no http(s) address: {target}") from error
    for name, one in (("--key", key), ("--new-key", new_key)):
        if one and not _is_secret(one):
            raise click.UsageError(f"{name} is no whsec_… secret")
    return Level.FULL if target and api_key else Level.PUSH if target else Level.PULL


def _is_secret(text: str) -> bool:
    try:
        Webhook(text)
    except Exception:  # noqa: BLE001 - the library has one for each fault, of no common kind
        return False
    return text.startswith("whsec_")


def _write(
    shown: report.Report, signer: seal.Seal, file: Path, language: report.Language, *, as_json: bool
) -> None:
    document = report.signed(shown, signer)
    table = report.as_text(shown, language, signer.key_id)
    try:
        file.write_text(document + "\n", encoding="utf-8")
        file.with_suffix(".txt").write_text(table + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error
    click.echo(document if as_json else table)


if __name__ == "__main__":
    run(main)
