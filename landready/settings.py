"""config.toml and the environment, read once at the entry points into frozen values."""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from landready.errors import BadSettings
from landready.rule_sets import Gate as Gate

ROOT = Path(__file__).resolve().parent.parent


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(_Section):
    name: str = "土地接入先行"
    name_en: str = "LandReady"
    province: str = "海南省"
    province_en: str = "Hainan"


class Database(_Section):
    url: str = ""
    owner_url: str = ""


class Redis(_Section):
    url: str = ""


class Files(_Section):
    url: str = ""


class Certificates(_Section):
    heads_url: str = ""


class Web(_Section):
    secure_cookies: bool = False
    proxies: NonNegativeInt = 0
    session_hours: PositiveInt = 8
    signin_limit: str = "10 per 5 minutes"
    signin_limit_wide: str = "50 per 5 minutes"
    upload_mb: PositiveInt = 50


class Map(_Section):
    tianditu_key: str = ""


class Region(_Section):
    name: str = "hainan"
    extent: tuple[float, float, float, float] = (107.8, 3.3, 119.2, 20.4)
    land: tuple[tuple[float, float, float, float], ...] = ()
    working_crs: str = Field(default="", pattern=r"^(EPSG:\d{4,5})?$")


class Check(_Section):
    radius_m: PositiveFloat = 2000.0
    ready_m: PositiveFloat = 100.0
    nearest: PositiveInt = 3
    # Range of Kd, maximum day over average day.
    day_variation: tuple[PositiveFloat, PositiveFloat] = (1.1, 1.5)
    stale_days: PositiveInt = 180
    reserve_days: PositiveInt = 180
    connect_m: PositiveFloat = 20.0


class Route(_Section):
    """What a connection line avoids: a metre of open ground costs `open_ground` metres along a street."""

    open_ground: float = Field(default=3.0, ge=1)
    leg_m: PositiveFloat = 300.0
    around_m: PositiveFloat = 1000.0


class Market(_Section):
    answer_seconds: PositiveInt = 60


class Clocks(_Section):
    answer_days: PositiveInt
    answer_source: str
    contact_days: PositiveInt
    contact_source: str
    first_design_days: PositiveInt
    first_design_source: str
    acknowledge_days: PositiveInt = 1
    acknowledge_source: str = ""
    dispute_days: PositiveInt = 5
    dispute_source: str = ""
    remind_days: PositiveInt = 1
    escalate_days: PositiveInt = 2
    notices_from: int = Field(default=8, ge=0, le=23)
    # Working days left of a committed day at which it is warned of.
    promise_days: tuple[PositiveInt, ...] = Field(default=(20, 5), min_length=1)


class Accuracy(_Section):
    """How answers are scored by later facts (landready.accuracy): working days of handling, and counts of answers."""

    connected_days: PositiveInt = 20
    least: PositiveInt = 10
    last: PositiveInt = 40


class Upload(_Section):
    """Limits on one file; `cpu_s`, `wall_s` and `memory_mb` bind the reading child process."""

    unpacked_mb: PositiveInt = 200
    ratio: PositiveInt = 50
    members: PositiveInt = 64
    features: PositiveInt = 20_000
    vertices: PositiveInt = 2_000_000
    vertices_per_feature: PositiveInt = 200_000
    cpu_s: PositiveInt = 10
    wall_s: PositiveInt = 30
    memory_mb: PositiveInt = 1536


class Email(_Section):
    """The office's mail server; without a host nothing is sent by mail. The password is LANDREADY_SMTP_PASSWORD."""

    host: str = ""
    port: PositiveInt = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    sender: str = ""


class Gateway(_Section):
    """What sends SMS and WeChat messages; without a URL none is sent. The secret is LANDREADY_GATEWAY_SECRET (whsec_…)."""

    url: str = ""
    secret: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


class Push(_Section):
    schedule_s: tuple[int, ...]
    timeout_s: PositiveFloat = 15
    sweep_s: PositiveFloat = 15
    portal: str = ""
    link_days: PositiveInt = 30
    email: Email = Email()
    gateway: Gateway = Gateway()


class Settings(_Section):
    """The whole configuration. `var` holds everything this installation writes."""

    site: Site = Site()
    database: Database = Database()
    redis: Redis = Redis()
    files: Files = Files()
    certificates: Certificates = Certificates()
    web: Web = Web()
    map: Map = Map()
    region: Region = Region()
    check: Check = Check()
    route: Route = Route()
    gate: Gate
    market: Market = Market()
    clocks: Clocks
    accuracy: Accuracy = Accuracy()
    upload: Upload = Upload()
    push: Push
    var: Path = ROOT / "var"
    secret_key: str = ""
    signing_key: str = ""


def load(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """Read `path` (default: `LANDREADY_CONFIG`, else config.toml of the product) and the environment over it.

    Raises:
        BadSettings: the file is missing or not TOML, a key is unknown, or a value is out of bounds.
    """
    path = path or Path(env.get("LANDREADY_CONFIG") or ROOT / "config.toml")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: {error}") from error
    for section, key, name in (
        ("database", "url", "LANDREADY_DATABASE_URL"),
        ("database", "owner_url", "LANDREADY_OWNER_URL"),
        ("redis", "url", "LANDREADY_REDIS_URL"),
    ):
        if env.get(name):
            raw.setdefault(section, {})[key] = env[name]
    if env.get("LANDREADY_VAR"):
        raw["var"] = env["LANDREADY_VAR"]
    for name, section, key in (
        ("LANDREADY_SMTP_PASSWORD", "email", "password"),
        ("LANDREADY_GATEWAY_SECRET", "gateway", "secret"),
    ):
        if env.get(name):
            raw.setdefault("push", {}).setdefault(section, {})[key] = env[name]
    raw["secret_key"] = env.get("LANDREADY_SECRET_KEY", "")
    raw["signing_key"] = env.get("LANDREADY_SIGNING_KEY", "")
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise BadSettings(f"{path}: {faults}") from error
