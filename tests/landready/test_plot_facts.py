"""What a verdict looks at, as it is read from the rows."""

from landready import plot_facts
from landready.db import ENGINE, transaction
from landready.layers import publish
from landready.measuring import measure
from landready.utilities import Utility
from tests import factories as make


def test_nearest_facility_is_told_with_what_its_columns_say_beside_name_and_capacity(
    database, settings
):
    columns = {
        "名称": "主管 1",
        "可供容量": 300,
        "申明日期": "2026-03-01",
        "管径": "DN200",
        "备注": "",
    }
    with transaction(database, ENGINE) as session:
        water = make.make_enterprise(session, "water")
        upload = make.make_upload(
            session, water, kind="facilities", title="给水管", fields=list(columns),
            mapping={"name": "名称", "spare_capacity": "可供容量", "stated_at": "申明日期"},
            features=[make.feature(make.point(50, -20), **columns)],
        )  # fmt: skip
        publish(session, upload, utility=Utility.WATER, now=make.NOW)
        plan = make.make_plan(session, plots=1, state="released")
        measure(session, settings, plan.plots, make.NOW)
        plot = plan.plots[0].id
        facts = plot_facts.load(session, [plot], make.NOW)[plot]
    near = facts.measured[Utility.WATER].nearest
    assert near
    assert (near.name, near.spare) == ("主管 1", 300)
    assert near.attributes == {"管径": "管径 DN200"}


def test_capacity_has_its_unit_where_no_need_was_computed(database, settings):
    with transaction(database, ENGINE) as session:
        gas = make.make_enterprise(session, "gas")
        make.make_layer(session, gas, make.point(50, -20))
        plan = make.make_plan(session, plots=1, state="released")
        measure(session, settings, plan.plots, make.NOW)
        plot = plan.plots[0].id
        facts = plot_facts.load(session, [plot], make.NOW)[plot]
    assert facts.measured[Utility.GAS].unit == "m³/h"
