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
