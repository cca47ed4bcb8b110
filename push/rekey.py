"""`python -m push.rekey`: seal the secrets of endpoints anew after LANDREADY_SECRET_KEY was changed.

Reads the key before from LANDREADY_SECRET_KEY_OLD. To be run once, with worker, sweep and web stopped; safe to repeat.
"""

import os
import sys

from sqlalchemy import select

from landready import servers
from landready.db import ENGINE, Session, connect, transaction
from landready.settings import load
from push.models import Endpoint
from push.vault import CannotOpen, Vault


def reseal(session: Session, old: Vault, new: Vault) -> int:
    """Seal with `new` whatever only `old` opens; return how many endpoints that were. Needs the engine.

    Raises:
        CannotOpen: a secret opens with neither; nothing may be committed then.
    """
    changed = 0
    for endpoint in session.scalars(select(Endpoint).order_by(Endpoint.id).with_for_update()):
        owner = endpoint.enterprise_id
        before = (endpoint.secret, endpoint.old_secret)
        endpoint.secret = _resealed(endpoint.secret, owner, old, new)
        if endpoint.old_secret:
            endpoint.old_secret = _resealed(endpoint.old_secret, owner, old, new)
        changed += before != (endpoint.secret, endpoint.old_secret)
    return changed


def _resealed(sealed: str, enterprise_id: int, old: Vault, new: Vault) -> str:
    try:
        new.open(sealed, enterprise_id)
    except CannotOpen:
        return new.seal(old.open(sealed, enterprise_id), enterprise_id)
    return sealed


def main() -> int:
    """Return 0 when every secret opens with the new key, 2 when a key is missing or wrong."""
    settings = load()
    key, old = servers.secret_key(settings), os.environ.get("LANDREADY_SECRET_KEY_OLD", "")
    if not old:
        print("LANDREADY_SECRET_KEY_OLD is not set", file=sys.stderr)  # noqa: T201 - a command
        return 2
    engine = connect(servers.database_url(settings))
    try:
        with transaction(engine, ENGINE) as session:
            changed = reseal(session, Vault(old), Vault(key))
    except CannotOpen:
        print("a secret opens with neither key: nothing was changed", file=sys.stderr)  # noqa: T201
        return 2
    finally:
        engine.dispose()
    print(f"{changed} endpoints sealed anew")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
