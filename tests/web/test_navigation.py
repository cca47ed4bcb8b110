"""The menu: the daily work first, what waits for the asker counted, also behind the word for more."""

import re

from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from tests.factories import make_layer, square
from web.navigation import ENTRIES, MORE


def menu(page):
    """Label → number beside it, daily and more; and the number on the word for more."""
    (nav,) = re.findall(r'<nav class="site-nav".*?</nav>', page, re.DOTALL)
    daily, _, more = nav.partition("<details")
    said = re.compile(r'aria-hidden="true"></i> ([^<]+?)\s*(?:<span[^>]*>(\d+)</span>)?</a>')
    on_top = re.search(r"<summary[^>]*>更多(?: <span[^>]*>(\d+)</span>)?", more)
    return dict(said.findall(daily)), dict(said.findall(more)), on_top and (on_top[1] or "")


def test_area_that_waits_for_the_office_is_counted_behind_more(client, sign_in, people, database):
    office = sign_in(client, people.office)
    assert menu(office.get("/plans").text)[2] == ""
    with transaction(database, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        make_layer(session, water, square(), kind="service_areas", current=False)
    daily, more, on_top = menu(office.get("/plans").text)
    assert (more["服务边界审批"], on_top) == ("1", "1")
    assert "服务边界审批" not in daily
    other = sign_in(client, people.other_office)
    assert menu(other.get("/plans").text)[2] == ""


def test_nobody_has_more_than_seven_daily_entries_and_none_twice():
    for role, daily in ENTRIES.items():
        entries = [endpoint for endpoint, _, _ in (*daily, *MORE.get(role, ()))]
        assert len(daily) <= 7, role
        assert len(set(entries)) == len(entries), role
