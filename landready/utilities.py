"""The six utilities of the plan, in its order: 水电气网视 and drainage."""

from enum import StrEnum


class Utility(StrEnum):
    """A municipal utility (市政公用服务)."""

    WATER = "water"
    DRAINAGE = "drainage"
    POWER = "power"
    GAS = "gas"
    TELECOM = "telecom"
    CABLE_TV = "cable_tv"


# More than any utility gives or anybody needs, in its unit: a number of another unit, or a slip of the hand.
MOST = 1e9
# The unit in which capacity and demand of a utility are told; they are compared as numbers, so there is one of each.
UNITS = {
    Utility.WATER: "m³/d",
    Utility.DRAINAGE: "m³/d",
    Utility.POWER: "kW",
    Utility.GAS: "m³/h",
    Utility.TELECOM: "芯",
    Utility.CABLE_TV: "户",
}
