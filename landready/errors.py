"""What can go wrong in the domain. One base; web/errors.py holds the one table that maps these to HTTP."""

from geo.problems import N_, Problem
from landready.blockers import Blocker


class LandreadyError(Exception):
    """The request could not be carried out.

    `text` is a Chinese sentence with named `{placeholders}`; `params` fill them. The web layer translates
    the sentence before filling it, so no message is built from pieces.
    """

    text = N_("请求无法完成。")

    def __init__(self, detail: str = "", **params: object) -> None:
        self.params = params
        self.detail = detail or self.text
        super().__init__(self.detail.format(**params) if params else self.detail)


class BadSettings(LandreadyError):
    """The configuration cannot be used; the message names file, key and fault."""


class NotFound(LandreadyError):
    """There is no such thing, or it is not the asker's: the two must look alike (ASVS 8.2)."""

    text = N_("没有这项内容，或者它不属于您的单位。")


class NotSignedIn(LandreadyError):
    """Nobody knows who asks."""

    text = N_("请先登录，或提供有效的接口密钥。")


class NotAllowed(LandreadyError):
    """This role may not do this."""

    text = N_("您的岗位没有这项权限。")


class Busy(LandreadyError):
    """The machine has its hands full; the same request may go through in a moment."""

    text = N_("系统正在读取其他文件，请一分钟后再上传。")


class Conflict(LandreadyError):
    """What was asked does not fit the present state; nothing was changed."""

    text = N_("当前状态不允许这样操作，数据没有改变。")


class Invalid(LandreadyError):
    """Input that cannot be used; `problems` says what and where."""

    text = N_("提交的内容有误，请按提示修改。")

    def __init__(self, problems: tuple[Problem, ...], detail: str = "", **params: object) -> None:
        super().__init__(detail, **params)
        self.problems = problems


class NotReady(LandreadyError):
    """The gate is shut; `blockers` says what is missing and from whom (plan section 五(八))."""

    text = N_("地块不具备上架条件。")

    def __init__(self, blockers: tuple[Blocker, ...]) -> None:
        super().__init__()
        self.blockers = blockers
