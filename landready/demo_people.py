"""The organisations and people of the demo province, registered as an administrator would."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from landready import cities
from landready.administration import OrganisationForm, create_organisation
from landready.db import Actor
from landready.demo_world import CITIES, COMPANIES, DEPARTMENTS, OWNER_CREDIT_CODE
from landready.organisations import Account, ApiKey, Organisation, hash_password
from landready.utilities import Utility

# Known to everybody who reads this line: only an installation that loads the demo ever has them.
PASSWORD = "landready-demo"  # noqa: S105
API_KEY = "lr_demo_key_known_to_everyone"


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """A way into the demo: for the connected system `username` is the header that carries its key."""

    role: str
    username: str
    password: str

    def __str__(self) -> str:
        return f"{self.role}：{self.username} / {self.password}"


@dataclass(frozen=True, slots=True)
class Person:
    """One account of the demo: `label` says who it is in both languages."""

    label: str
    username: str
    full_name: str
    form: OrganisationForm


def people() -> Iterator[Person]:
    """Everybody with an account, in the order in which they are printed."""
    for city, (short, latin) in CITIES.items():
        yield Person(
            f"规划人员 planner · {short}",
            f"{latin}-planner",
            f"{short}规划员",
            OrganisationForm(
                "office",
                f"{cities.name(city)}自然资源和规划局（演示）",
                f"{latin.title()} Natural Resources and Planning Bureau (demo)",
                city,
                phone="0898-20000100",
            ),
        )
        for number, utility in enumerate(Utility):
            company, english, word, _, _ = COMPANIES[utility]
            yield Person(
                f"企业工程师 engineer · {short} {english}",
                f"{latin}-{word}",
                f"{short}{company.removesuffix('有限公司')}工程师",
                OrganisationForm(
                    "enterprise",
                    f"{short}演示{company}",
                    f"{latin.title()} {english} (demo)",
                    city,
                    phone=f"0898-2000020{number}",
                    utilities=(utility.value,),
                ),
            )
    yield Person(
        "建设单位 owner",
        "demo-owner",
        "建设单位经办人",
        OrganisationForm(
            "owner",
            "海南演示置业有限公司",
            "Hainan Real Estate (demo)",
            credit_code=OWNER_CREDIT_CODE,
            phone="0898-20000300",
        ),
    )
    for city, (short, latin) in CITIES.items():
        for number, (name, english, word, items) in enumerate(DEPARTMENTS):
            yield Person(
                f"审批部门 department · {short} {'、'.join(map(str, items))}",
                f"{latin}-{word}",
                f"{short}{name}经办人",
                OrganisationForm(
                    "department",
                    f"{cities.name(city)}{name}（演示）",
                    f"{latin.title()} {english} (demo)",
                    city,
                    phone=f"0898-2000040{number}",
                    annex_items=items,
                ),
            )
    yield Person(
        "省级监督 supervisor",
        "demo-supervisor",
        "省级监督员",
        OrganisationForm("supervisor", "海南省监督单位（演示）", "Provincial supervision (demo)"),
    )
    yield Person(
        "系统管理 administrator",
        "demo-admin",
        "系统管理员",
        OrganisationForm("admin", "系统管理（演示）", "Administration (demo)"),
    )


EXCHANGE = OrganisationForm(
    "exchange", "工程建设项目审批管理系统（演示）", "Construction approval system (demo)"
)


def logins() -> list[DemoLogin]:
    """Return every way into the demo."""
    return [
        *(DemoLogin(p.label, p.username, PASSWORD) for p in people()),
        DemoLogin("审批系统 approval system · API", "Authorization: Bearer", API_KEY),
    ]


def register(session: Session, now: datetime) -> Mapping[str, Actor]:
    """Register everybody; needs a transaction of the engine. Returns who acts under each user name, `exchange` among them."""
    # Hashed once for all: hashing is slow on purpose, and this password is no secret.
    hashed = hash_password(PASSWORD)
    cast = {}
    for person in people():
        organisation = create_organisation(session, person.form)
        account = Account(
            organisation_id=organisation.id,
            username=person.username,
            full_name=person.full_name,
            password_hash=hashed,
            created_at=now,
        )
        session.add(account)
        session.flush()
        cast[person.username] = _actor(organisation, account)
    system = create_organisation(session, EXCHANGE)
    session.add(
        ApiKey(
            organisation_id=system.id,
            name="demo",
            key_sha256=hashlib.sha256(API_KEY.encode()).hexdigest(),
            created_at=now,
        )
    )
    cast["exchange"] = _actor(system, None)
    return cast


def _actor(organisation: Organisation, account: Account | None) -> Actor:
    return Actor(
        organisation.role,
        organisation.id,
        account.id if account else None,
        organisation.city or None,
    )
