"""The command line. Every command parses, calls one function and prints; errors are one line on stderr."""

import math
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from landready import settings
from landready.errors import BadSettings, Conflict, Invalid, LandreadyError, NotFound
from landready.places import PlaceError

_ANY_WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_BAD_INPUT = (BadSettings, Conflict, Invalid, NotFound, PlaceError)


class _Commands(click.Group):
    """Turns a domain error into one line on stderr: exit 2 for bad input, 1 for what the input is not to blame for."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except LandreadyError as error:
            said = [str(error), *(p.message for p in getattr(error, "problems", ()))]
            _say(" ".join(said))
            sys.exit(2 if isinstance(error, _BAD_INPUT) else 1)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else ctx.command_path
            _say(f"{error.format_message()} ({command} --help)")
            sys.exit(error.exit_code)


def _say(error: str) -> None:
    click.echo(" ".join(error.split()), err=True)


@click.group(cls=_Commands)
def main() -> None:
    """土地接入先行 · Land is listed only when water and power can reach it."""


@main.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Listen here; else the first free from 8000."
)
def up(port: int | None) -> None:
    """Start database, queue, web, worker and sweep; stop them all with Ctrl-C."""
    from landready.up import up as run

    run(settings.load(), port, click.echo)


@main.command()
def migrate() -> None:
    """Bring the database's tables to this version."""
    from landready import migrate as migrations

    given = settings.load()
    outstanding = migrations.behind(given)
    migrations.upgrade(given)
    click.echo("\n".join(outstanding) or "数据库已是最新 · up to date")


@main.command()
def doctor() -> None:
    """Say what is missing on this machine and how to get it."""
    from landready.doctor import examine

    findings = examine(settings.load())
    for finding in findings:
        click.echo(finding)
    sys.exit(0 if all(finding.fine for finding in findings) else 1)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--crs",
    help="What the coordinates are in, e.g. EPSG:4546 or CM109, where the file does not say.",
)
@click.option("--swap-axes", is_flag=True, help="X and Y stand in each other's place: turn them.")
@click.option("--region", type=click.Choice(["any"]), help="Leave the configured region out of it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def read(file: Path, crs: str | None, swap_axes: bool, region: str | None, as_json: bool) -> None:
    """Say what an upload of plots would make of FILE; exit 0 if it would be accepted, 2 if refused."""
    from landready import intake, overlapping, systems

    given = settings.load()
    place = None if region else given.region
    meant = systems.named(crs or "")
    reading = intake.read_file(
        file, given.upload, region=place, crs=meant, kind="plots", swap=swap_axes
    )
    reading = replace(reading, problems=(*reading.problems, *overlapping.in_file(reading)))
    click.echo(intake.as_json(reading) if as_json else intake.as_text(reading))
    sys.exit(0 if reading.accepted else 2)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--key", "keys", multiple=True, metavar="PUBLIC",
    help="Believe only this public key (x at /api/v1/keys); may be given more than once.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(file: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Say whether the certificate or the chain in FILE holds; exit 0 if it does, 1 if not, 2 if FILE is neither."""
    from landready import clock, evidence, seal, verification

    for key in keys:
        if not seal.is_public_key(key):
            raise click.BadParameter("不是公钥 · no public key", param_hint="--key")
    report = verification.verify(evidence.read(file.read_bytes()), keys)
    today = clock.today(datetime.now(UTC))
    click.echo(verification.as_json(report) if as_json else verification.as_text(report, today))
    sys.exit(0 if report.holds else 1)


@main.command()
@click.option(
    "--data", required=True, type=click.Path(file_okay=False, exists=True, path_type=Path)
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--radius", type=click.FloatRange(0, min_open=True), default=2000.0, show_default=True,
    help="Metres from a plot within which facilities count.",
)  # fmt: skip
@click.option("--nearest", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--threads", type=click.IntRange(1, 256), help="Default: the processors given.")
def coverage(data: Path, out: Path, radius: float, nearest: int, threads: int | None) -> None:
    """Measure the plots of a folder of GeoParquet files; write near, cross and cover as Parquet to --out."""
    from landready import batch

    if not math.isfinite(radius):
        raise click.BadParameter("应为有限的数 · must be finite", param_hint="--radius")
    threads = threads or len(os.sched_getaffinity(0))
    started = perf_counter()
    layers = batch.read(data, threads)
    indexed = batch.index(layers, threads)
    ready = perf_counter()
    tables = batch.query(indexed, layers.kinds, radius, nearest, threads)
    measured = perf_counter()
    batch.write(tables, out)
    rows = ", ".join(f"{name} {table.num_rows}" for name, table in tables.items())
    click.echo(
        f"{len(indexed.ground)} plots, {len(layers.kind)} facilities: {rows}; read and index"
        f" {ready - started:.2f} s, measure {measured - ready:.2f} s, write {perf_counter() - measured:.2f} s"
    )


@main.command()
def demo() -> None:
    """Load the demo province into an empty installation and print its logins."""
    from landready import demo as province

    logins = province.load(_with_tables())
    if not logins:
        raise Conflict(
            "已有单位，没有加载演示数据 · the installation is in use: no demo was loaded"
        )
    for login in logins:
        click.echo(login)


@main.command()
@click.argument("username")
@click.option("--name", "full_name", prompt="姓名 · full name")
@click.password_option(prompt="密码 · password")
def administrator(username: str, full_name: str, password: str) -> None:
    """Give an installation its first administrator, who registers everybody else in the browser."""
    from landready import accounts

    click.echo(
        accounts.create_administrator(
            _with_tables(),
            username=username,
            full_name=full_name,
            password=password,
            now=datetime.now(UTC),
        )
    )


def _elsewhere(name: str, module: str, about: str) -> None:
    """Add a command that another layer owns: it takes this process over with all its words, so nothing here imports it."""

    @main.command(name, help=about, add_help_option=False, context_settings=_ANY_WORDS)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def run(words: tuple[str, ...]) -> None:
        os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606 - no shell is wanted


_elsewhere(
    "conformance",
    "push.conformance",
    "Try an enterprise's system against docs/integrators.md and write a signed report.",
)
_elsewhere(
    "mock-enterprise",
    "push.mock_enterprise",
    "Be a small enterprise's system: receive, pull, answer by rule, acknowledge.",
)


def run(command: click.Command) -> None:
    """Run one command of another layer as `landready` runs its own: the same words, errors and exits."""
    name = str(command.name)
    _Commands("landready", {name: command})([name, *sys.argv[1:]], "landready")


def _with_tables() -> settings.Settings:
    """The settings of an installation whose database answers and has its tables."""
    from landready import migrate as migrations

    given = settings.load()
    if migrations.behind(given):
        raise Conflict("数据库还没有建表 · the tables are missing: landready migrate")
    return given
