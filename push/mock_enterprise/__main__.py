"""`landready mock-enterprise`: start the small enterprise's system and say what it does."""

import signal
import threading
from pathlib import Path
from types import FrameType

import click
from standardwebhooks import Webhook

from landready.cli import run
from push.mock_enterprise import rules
from push.mock_enterprise.client import Client
from push.mock_enterprise.receiver import Receiver, Server
from push.mock_enterprise.store import Store


@click.command("mock-enterprise")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen at this address.")
@click.option("--port", type=click.IntRange(0, 65535), default=9400, show_default=True)
@click.option(
    "--key", "secrets", multiple=True, envvar="LANDREADY_MOCK_KEY",
    help="Signing secret whsec_…; twice while it is being changed. Without one nothing is received.",
)  # fmt: skip
@click.option("--api", help="Address of LandReady or of the kit, before /api/v1. Without it nothing is answered.")  # fmt: skip
@click.option("--api-key", envvar="LANDREADY_MOCK_API_KEY", help="The key lr_… for that API.")
@click.option(
    "--rules", "rules_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=rules.DEFAULT, help="TOML file of rules that answer; left out: the built-in ones.",
)  # fmt: skip
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file that remembers events and answers; left out: forgotten at the end.",
)  # fmt: skip
@click.option("--poll", type=click.FloatRange(0.1, 3600), default=10, show_default=True, help="Seconds between two pulls.")  # fmt: skip
def main(
    host: str,
    port: int,
    secrets: tuple[str, ...],
    api: str | None,
    api_key: str | None,
    rules_file: Path,
    state: Path | None,
    poll: float,
) -> None:
    """Be a small enterprise's system: receive, pull, answer by rule, acknowledge and prove. Ctrl-C ends it."""
    for one in secrets:
        _check(one)
    if api and not api_key:
        raise click.UsageError("--api needs --api-key")
    try:
        said = rules.load(rules_file)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    bell, stopping = threading.Event(), threading.Event()
    store = Store(state or ":memory:")
    server = Server((host, port), Receiver(secrets, store, bell.set))
    client = Client(api.rstrip("/"), api_key, store, said, click.echo, poll) if api and api_key else None  # fmt: skip

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        bell.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    click.echo(f"http://{host}:{server.server_port}/")
    if client:
        client.run(bell, stopping)
    stopping.wait()
    server.shutdown()
    click.echo(f"batches: {store.counts()}")
    store.close()


def _check(secret: str) -> None:
    try:
        Webhook(secret)
    except Exception as error:
        raise click.UsageError("--key is no whsec_… secret") from error
    if not secret.startswith("whsec_"):
        raise click.UsageError("--key is no whsec_… secret")


if __name__ == "__main__":
    run(main)
