"""What this machine lacks, and the command that brings it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from datetime import UTC, datetime

from landready import migrate, servers
from landready.clock import APART_S
from landready.db import clock_ahead, connect
from landready.migrate import MigrationError
from landready.settings import ROOT, Settings

_VENDOR = ROOT / "web" / "static" / "vendor"
_VENDORED = ("bootstrap", "leaflet", "htmx", "bootstrap-icons")
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` is empty when it is there; `for_tests` is not needed to run."""

    what: str
    remedy: str = ""
    for_tests: bool = False

    @property
    def fine(self) -> bool:
        return not self.remedy or self.for_tests

    def __str__(self) -> str:
        mark = "✓" if not self.remedy else "–" if self.for_tests else "✗"
        return f"{mark} {self.what}" + (f"：{self.remedy}" if self.remedy else "")


def examine(settings: Settings) -> list[Finding]:
    """Look at everything a start and the tests need; changes nothing."""
    checks: list[Callable[[Settings], Finding]] = [
        _python,
        _postgis,
        _redis,
        _front_end,
        _catalogues,
        _tables,
        _clock,
        _pango,
        _chinese_font,
        _browser,
        _pdf_tools,
    ]
    return [check(settings) for check in checks]


def _python(_settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info[:2] >= _OLDEST_PYTHON
    return Finding(f"Python {version}", "" if fine else "3.11+ · apt-get install python3")


def _postgis(settings: Settings) -> Finding:
    if not servers.private_database(settings):
        return Finding("PostGIS (LANDREADY_DATABASE_URL)")
    versions = servers.postgis_versions()
    if not versions:
        return Finding("PostGIS", "apt-get install postgresql-postgis")
    return Finding(f"PostGIS (PostgreSQL {versions[0]})")


def _redis(settings: Settings) -> Finding:
    if not servers.private_redis(settings):
        return Finding("Redis (LANDREADY_REDIS_URL)")
    there = shutil.which("redis-server")
    return Finding("Redis", "" if there else "apt-get install redis-server")


def _front_end(_settings: Settings) -> Finding:
    lacking = [name for name in _VENDORED if not (_VENDOR / name).is_dir()]
    return Finding(
        "前端文件 · front-end files", f"make setup ({', '.join(lacking)})" if lacking else ""
    )


def _catalogues(_settings: Settings) -> Finding:
    sources = (ROOT / "web" / "translations").glob("*/LC_MESSAGES/*.po")
    lacking = any(not source.with_suffix(".mo").exists() for source in sources)
    return Finding("翻译 · translations", "make setup" if lacking else "")


def _tables(settings: Settings) -> Finding:
    what = "数据库表 · database tables"
    if servers.private_database(settings) and "PostgreSQL" in servers.silent(settings):
        return Finding(
            f"{what} (PostgreSQL 未运行，启动时自动迁移 · not running; `landready up` migrates)"
        )
    try:
        outstanding = migrate.behind(settings)
    except MigrationError as error:
        return Finding(what, str(error))
    return Finding(what, f"landready migrate ({', '.join(outstanding)})" if outstanding else "")


def _clock(settings: Settings) -> Finding:
    what = "时钟与数据库一致 · clock agrees with the database's"
    if servers.private_database(settings):
        return Finding(f"{what} (同一台机器 · one machine)")
    engine = connect(settings.database.url)
    ahead = clock_ahead(engine, datetime.now(UTC))
    engine.dispose()
    if ahead is None or abs(ahead) <= APART_S:
        return Finding(what)
    return Finding(what, f"{ahead:+.0f} s · chrony / systemd-timesyncd")


def _pango(_settings: Settings) -> Finding:
    """The library that lays out the PDF of a certificate, and the one that takes out of a font what is used."""
    lacking = [
        package
        for library, package in (
            ("pangoft2-1.0", "libpangoft2-1.0-0"),
            ("harfbuzz-subset", "libharfbuzz-subset0"),
        )
        if not find_library(library)
    ]
    return Finding("PDF (Pango)", f"apt-get install {' '.join(lacking)}" if lacking else "")


def _chinese_font(_settings: Settings) -> Finding:
    remedy = "apt-get install fontconfig fonts-noto-cjk"
    return Finding("中文字体 · Chinese font (Noto CJK)", "" if _has_chinese_font() else remedy)


def _browser(_settings: Settings) -> Finding:
    remedy = "" if shutil.which("chromium") else "apt-get install chromium"
    return Finding("Chromium (只用于测试 · tests only)", remedy, for_tests=True)


def _pdf_tools(_settings: Settings) -> Finding:
    remedy = "" if shutil.which("pdffonts") else "apt-get install poppler-utils"
    return Finding("poppler-utils (只用于测试 · tests only)", remedy, for_tests=True)


def _has_chinese_font() -> bool:
    lister = shutil.which("fc-list")
    if not lister:
        return False
    listed = subprocess.run([lister, "Noto Sans CJK SC"], capture_output=True, check=False)  # noqa: S603 - no input of anyone's
    return bool(listed.stdout.strip())
