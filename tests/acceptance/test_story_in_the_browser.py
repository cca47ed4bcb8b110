"""From an uploaded plan to a finished connection, by the people whose work it is, in Chromium."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from playwright.sync_api import Dialog, Locator, Page, expect
from sqlalchemy import Engine

from landready.clock import today
from landready.db import ENGINE, transaction
from landready.permit_fields import example
from landready.shapes import geojson_of
from tests.acceptance.conftest import Cast, Product, Visit
from tests.factories import PASSWORD, feature, make_account, make_organisation, metres, square

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

PLAN = "二季度工业用地计划"
PROJECT = "金盘物流园"
OTHERS = ("department", "supervisor", "admin")
READY_BY = (today(datetime.now(UTC)) + timedelta(days=90)).isoformat()

# What a screen reader or a phone would stumble over; each line says what and where.
FAULTS = """() => {
    const found = [];
    const say = (what, element) => found.push(what + ': ' + (element ? element.outerHTML.slice(0, 160) : ''));
    if (document.querySelectorAll('h1').length !== 1) say('not exactly one h1');
    if (!document.title || !document.documentElement.lang) say('no title or language');
    for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
        if (!field.labels.length && !field.ariaLabel && !field.getAttribute('aria-labelledby')) say('no label', field);
    for (const one of document.querySelectorAll('a[href], button'))
        if (!one.closest('.leaflet-control') && !one.textContent.trim() && !one.ariaLabel) say('no name', one);
    for (const image of document.querySelectorAll('img:not([alt])')) say('no alt', image);
    const ids = new Set();
    for (const one of document.querySelectorAll('[id]')) { if (ids.has(one.id)) say('id twice', one); ids.add(one.id); }
    for (const one of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
        for (const name of ['aria-describedby', 'aria-labelledby'])
            for (const id of (one.getAttribute(name) || '').split(' ').filter(Boolean))
                if (!ids.has(id)) say('refers to nothing', one);
    return found;
}"""
WIDER = """async () => {
    // The page was just narrowed: let the browser lay it out twice before measuring.
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
    const width = document.scrollingElement.scrollWidth;
    return width <= innerWidth + 1 ? [] : [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table-wrap, .map, .site-nav'))
        .slice(0, 5).map(e => width + ' px: ' + e.outerHTML.slice(0, 160)).concat(width + ' px');
}"""


def look(page: Page, heading: str) -> None:
    """The page that was meant, usable with a screen reader, and no wider than a phone."""
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert page.evaluate(FAULTS) == [], page.url
    wide = page.viewport_size
    assert wide
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(WIDER) == [], page.url
    page.set_viewport_size(wide)


def look_in_english(page: Page) -> None:
    """English words are longer: the page is no wider than a phone with them either."""
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    look(page, page.get_by_role("heading", level=1).inner_text())
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def sign_in(page: Page, username: str) -> Page:
    page.get_by_role("link", name="登录").click()
    look(page, "登录")
    page.get_by_label("用户名").fill(username)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    return page


def row(page: Page, table: str | Locator, name: str) -> Locator:
    """The row of a table whose own heading has this text."""
    within = page.get_by_role("table", name=table) if isinstance(table, str) else table
    return within.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name)).first


def plots(*shapes: shapely.Geometry) -> bytes:
    """A plan whose codes stand in a column that nobody can guess."""
    rows = [
        feature(shape, 暂定号=f"JP-{n}", 用途="二类工业用地", 面积=area)
        for n, (shape, area) in enumerate(zip(shapes, (10_000, 10_000), strict=True), 1)
    ]
    return json.dumps({"type": "FeatureCollection", "features": rows}).encode()


def choose(page: Page, label: str, content: bytes) -> None:
    file: Any = {"name": "plan.geojson", "mimeType": "application/geo+json", "buffer": content}
    page.get_by_label(label, exact=True).set_input_files(file)


def test_land_is_listed_once_water_and_power_can_reach_it_and_its_owner_is_connected(
    product: Product, visit: Visit, cast: Cast, database: Engine
) -> None:
    hire_others(database)
    planner, water, power = (sign_in(visit(), name) for name in ("planner", "water", "power"))
    upload_mend_and_release(planner)
    answer_ready(water)
    be_refused(planner)
    answer_ready_by(power)
    list_the_plot(planner)
    citizen = visit()
    find_in_the_land_supermarket(citizen)
    read_in_english(citizen)

    assert report_permit(product, cast) == {cast.water.name, cast.power.name}
    owner = sign_in(visit(), "owner")
    submit(owner)
    for state in ("窗口受理", "部门受理", "办结（通过）"):
        move_on(water, state)
        see_the_move(owner, state)
    see_it_connected(owner)
    look_at_main_pages(planner, water, power, owner, *(sign_in(visit(), n) for n in OTHERS))
    for name in product.processes:
        assert "Traceback" not in product.log(name), product.log(name)


def upload_mend_and_release(page: Page) -> None:
    look(page, "供地计划")
    page.get_by_role("link", name="上传供地计划").click()
    look(page, "上传供地计划")
    page.get_by_label("计划名称").fill(PLAN)
    bow = shapely.Polygon([metres(*at) for at in ((300, 0), (400, 100), (400, 0), (300, 100))])
    choose(page, "地块文件", plots(square(), bow))
    page.get_by_role("button", name="上传并检查").click()

    # One row cannot be a plot: its number and its place are told, and nothing can be released.
    look(page, PLAN)
    release = page.get_by_role("button", name="下发并推送")
    expect(release).to_be_disabled()
    problem = (
        page.get_by_role("table", name="文件中的问题").get_by_role("row").filter(has_text="错误")
    )
    expect(problem.get_by_role("cell", name="2", exact=True)).to_be_visible()
    lon, lat = metres(350, 50)
    expect(problem.filter(has_text=f"{lon:.3f}").filter(has_text=f"{lat:.3f}")).to_have_count(1)

    page.get_by_label("地块编号").select_option("暂定号")
    page.get_by_role("button", name="按这些列重新读取").click()
    expect(page.get_by_role("status").filter(has_text="已按您指定的列重新读取")).to_be_visible()
    expect(row(page, "地块", "JP-1")).to_be_visible()
    expect(release).to_be_disabled()

    # The corrected file goes by the columns that were named for the first one.
    page.get_by_text("换一个文件", exact=True).click()
    choose(page, "新的地块文件", plots(square(), square(300)))
    page.get_by_role("button", name="上传并检查").click()
    expect(row(page, "地块", "JP-2")).to_be_visible()
    look(page, PLAN)

    asked: list[str] = []
    page.once("dialog", lambda dialog: accept(dialog, asked))
    release.click()
    look(page, PLAN)
    assert "2 个地块将同时推送给所有相关企业" in asked[0]
    receipt = page.get_by_role("table", name="下发回执")
    for company in ("海口水务公司", "海口供电局"):
        expect(row(page, receipt, company)).to_contain_text("已询问 2 个地块")
    expect(row(page, "推送与答复", "海口水务公司")).to_contain_text("已推送")

    page.get_by_label("依据文件（名称和文号）").fill("净地证明〔2026〕1号")
    page.get_by_label("文件日期").fill("2026-01-05")
    page.get_by_role("button", name="记录净地声明").click()
    look(page, PLAN)
    expect(page.get_by_text("2 / 2 个地块已声明净地")).to_be_visible()


def accept(dialog: Dialog, said: list[str]) -> None:
    said.append(dialog.message)
    dialog.accept()


def open_plot(page: Page, name: str) -> None:
    page.get_by_role("link", name="收到的推送").click()
    look(page, "收到的推送")
    page.get_by_role("link", name=PLAN).click()
    look(page, PLAN)
    page.get_by_role("rowheader").get_by_role("link", name=name).click()
    look(page, name)


def answer_ready(page: Page) -> None:
    """The check says ready; the engineer puts the connection point where it belongs, on the map."""
    open_plot(page, "JP-1")
    expect(row(page, page.locator(".answer-facts table").first, "消火栓")).to_contain_text("50.")
    expect(page.get_by_label("已具备条件")).to_be_checked()
    proposed = page.get_by_label("经度").input_value()
    page.get_by_role("region", name="接入点地图").click(position={"x": 250, "y": 200})
    lon, lat = (float(page.get_by_label(name).input_value()) for name in ("经度", "纬度"))
    assert lon != float(proposed)
    assert shapely.distance(shapely.Point(lon, lat), square()) < 0.005
    page.get_by_label("可用余量").fill("300")
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="JP-1 供水，已具备条件")).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link", name="JP-1").click()
    expect(page.get_by_role("cell", name=f"{lon:.7f}, {lat:.7f}")).to_be_visible()


def be_refused(page: Page) -> None:
    """The refusal names who is missing, why, and by which rule."""
    page.reload()
    expect(row(page, "推送与答复", "海口水务公司")).to_contain_text("已查看")
    page.get_by_role("button", name="上架 JP-1").click()
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("没有上架")
    expect(refusal).to_contain_text("海口供电局")
    expect(refusal).to_contain_text("尚未答复")
    expect(refusal).to_contain_text("实施方案 五(八)：供电")
    expect(refusal).not_to_contain_text("海口水务公司")
    look(page, PLAN)


def answer_ready_by(page: Page) -> None:
    open_plot(page, "JP-1")
    expect(page.get_by_role("cell", name="已具备条件")).to_be_visible()  # what water said
    page.get_by_label("承诺期限内具备").check()
    page.get_by_label("需要建设的工程").fill("新建 10 kV 环网柜一座")
    page.get_by_label("承诺完成日期").fill(READY_BY)
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="JP-1 供电，承诺期限内具备")).to_be_visible()


def list_the_plot(page: Page) -> None:
    page.get_by_role("link", name="供地计划").first.click()
    look(page, "供地计划")
    page.get_by_role("link", name=PLAN).click()
    expect(row(page, "各地块的接入条件", "JP-1")).to_contain_text(READY_BY)
    page.get_by_role("link", name="JP-1").click()
    look(page, "JP-1")
    page.go_back()
    page.get_by_role("button", name="上架 JP-1").click()
    expect(page.get_by_role("status").filter(has_text="1 个地块已上架")).to_be_visible()
    expect(row(page, "各地块的接入条件", "JP-1")).to_contain_text("上架中")
    expect(row(page, "各地块的接入条件", "JP-2")).to_contain_text("等待答复")


def find_in_the_land_supermarket(page: Page) -> None:
    """Nobody signs in: a list, a map of the same, and a filter."""
    page.goto("/")
    look(page, "土地超市")
    plot = page.get_by_role("rowheader").get_by_role("link", name="JP-1")
    expect(plot).to_be_visible()
    expect(page.get_by_role("link", name="JP-2")).to_have_count(0)
    drawn = page.get_by_role("region", name="上架地块地图").locator("path[stroke='#00734f']").last
    expect(drawn).to_be_visible()
    for city, found in (("三亚市", 0), ("海口市", 1)):
        page.get_by_label("市县").select_option(label=city)
        page.get_by_role("button", name="筛选").click()
        expect(plot).to_have_count(found)
    drawn.hover()
    expect(page.get_by_role("tooltip").or_(page.locator(".leaflet-tooltip"))).to_contain_text(
        "JP-1"
    )
    plot.click()
    look(page, "JP-1")
    answers = page.get_by_role("table")
    expect(row(page, answers, "海口水务公司")).to_contain_text("300 m³/d")
    expect(row(page, answers, "海口供电局")).to_contain_text(READY_BY)


def read_in_english(page: Page) -> None:
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    look(page, "JP-1")
    for words in page.get_by_role("columnheader").all() + page.get_by_role("navigation").all():
        assert not re.search(r"[\u4e00-\u9fff]", words.inner_text()), words.inner_text()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def report_permit(product: Product, cast: Cast) -> set[str]:
    """The approval system reports the permit; returns who was told."""
    permit = {
        **example(),
        "project_name": PROJECT,
        "plot_code": "JP-1",
        "boundary": geojson_of(square(10, 10, 80)),
    }
    received = product.person().call("/api/v1/permits", permit, cast.exchange_key)
    assert received.status == 201, received.text
    return set(received.json["pushed_to"])


def submit(page: Page) -> None:
    look(page, "我的项目")
    page.get_by_role("link", name="核对并提交").click()
    look(page, PROJECT)
    expect(page.get_by_label("用地面积")).not_to_have_value("")
    expect(row(page, page.locator(".form-table"), "联系电话")).to_contain_text("许可证")
    page.get_by_label("联系电话").fill("13911112222")
    asked: list[str] = []
    page.once("dialog", lambda dialog: accept(dialog, asked))
    page.get_by_role("button", name="核对无误，提交申请").click()
    expect(page.get_by_role("status").filter(has_text="申请已提交")).to_be_visible()
    assert "申请内容不能再改" in asked[0]
    phone = row(page, page.locator(".form-table"), "联系电话")
    expect(phone).to_contain_text("13911112222")
    expect(phone).to_contain_text("原值：13800000000")


def move_on(page: Page, state: str) -> None:
    page.get_by_role("link", name="报装事项").click()
    look(page, "报装事项")
    page.get_by_role("link", name=PROJECT).click()
    look(page, "1 用水报装")
    page.get_by_label(state).check()
    page.get_by_label("说明").fill(f"已{state}")
    page.get_by_role("button", name="确定").click()
    expect(page.get_by_role("status").filter(has_text="建设单位即时可见")).to_be_visible()


def see_the_move(page: Page, state: str) -> None:
    page.reload()
    item = row(page, page.get_by_role("table").first, "用水报装")
    expect(item).to_contain_text("海口水务公司")
    expect(item).to_contain_text(state)


def see_it_connected(page: Page) -> None:
    item = row(page, page.get_by_role("table").first, "用水报装")
    item.get_by_text("4 步").click()
    moves = item.get_by_role("listitem")
    for number, state in enumerate(("接件", "窗口受理", "部门受理", "办结（通过）")):
        expect(moves.nth(number)).to_contain_text(state)
    expect(moves.nth(3)).to_contain_text("已办结（通过）")
    look(page, PROJECT)
    page.get_by_role("link", name="我的项目").first.click()
    expect(page.get_by_text("1 / 2 项已办结")).to_be_visible()


def hire_others(engine: Engine) -> None:
    """Those who have no part in the story but look on; everybody signs in by the name of the role."""
    with transaction(engine, ENGINE) as session:
        for role in OTHERS:
            make_account(session, make_organisation(session, role), username=role, full_name=role)


def look_at_main_pages(*pages: Page) -> None:
    """What each role sees first, and the board and the plot with its answers."""
    for page in pages:
        page.goto(page.locator(".site-nav a").first.get_attribute("href") or "")
        look(page, page.get_by_role("heading", level=1).inner_text())
        look_in_english(page)
    planner = pages[0]
    for link in (PLAN, "JP-1"):
        planner.get_by_role("link", name=link, exact=True).first.click()
        expect(planner.get_by_role("heading", level=1)).to_have_text(link)
        look_in_english(planner)
