"""Who is asking: signing in and out, and which roles a view serves."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from landready.db import ENGINE, PUBLIC, Actor, Role, transaction
from landready.errors import NotAllowed, NotSignedIn
from landready.organisations import (
    Account,
    account_of_session,
    end_sessions,
    organisation_of_key,
    sign_in,
)
from web.limits import (
    failed,
    limiter,
    signin_limit,
    signin_limit_wide,
    signin_name,
    signin_person,
)
from web.session import resources

pages = Blueprint("auth", __name__)
_login = LoginManager()
View = TypeVar("View", bound=Callable[..., Any])

# Where each role's day begins.
HOME = {
    Role.OFFICE: "plans.plans",
    Role.ENTERPRISE: "answers.inbox",
    Role.OWNER: "applications.projects",
    Role.DEPARTMENT: "items.items",
    Role.SUPERVISOR: "overview.overview",
    Role.ADMIN: "organisations.organisations",
}


class SignedIn(UserMixin):
    """The person of a signed-in browser, as plain values."""

    def __init__(self, account: Account) -> None:
        self.id = f"{account.id}:{account.session_epoch}"
        self.actor = account.actor
        self.full_name = account.full_name
        self.organisation = account.organisation.name
        self.utilities = account.organisation.utility_list


def only(*roles: Role) -> Callable[[View], View]:
    """Declare which signed-in roles a view serves. A view that declares nothing serves nobody."""

    def mark(view: View) -> View:
        view.roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


# Every role, signed in or not.
public = only(*Role)


def init_app(app: Flask) -> None:
    _login.init_app(app)
    _login.user_loader(_load)
    app.before_request(_admit)


def _load(user_id: str) -> SignedIn | None:
    account_id, _colon, epoch = user_id.partition(":")
    if not (account_id.isdigit() and epoch.isdigit()):
        return None
    if "unanswered" in g:
        return None  # the database is away, and the page that says so asks again who reads it
    g.unanswered = True
    with transaction(resources().engine, ENGINE) as database:
        account = account_of_session(database, int(account_id), int(epoch))
        person = SignedIn(account) if account else None
    del g.unanswered
    return person


def _admit() -> ResponseReturnValue | None:
    """Find out who asks and whether the view serves them; before any view runs."""
    g.actor = PUBLIC
    if request.endpoint == "static":
        return None
    if request.path.startswith("/api/"):
        g.actor = _actor_of_key() or PUBLIC
    elif current_user.is_authenticated:
        g.actor = current_user.actor
    if request.endpoint is None:
        return None
    view = _view(request.endpoint)
    roles: frozenset[Role] = getattr(view, "roles", frozenset())
    if g.actor.role in roles:
        return None
    if g.actor.role is Role.PUBLIC and request.path.startswith("/api/"):
        raise NotSignedIn
    if g.actor.role is Role.PUBLIC:
        return redirect(url_for("auth.signin", next=request.full_path.rstrip("?")))
    raise NotAllowed


def _view(endpoint: str) -> Callable[..., Any]:
    return cast("Callable[..., Any]", current_app.view_functions[endpoint])


def _actor_of_key() -> Actor | None:
    scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        return None
    with transaction(resources().engine, ENGINE) as database:
        organisation = organisation_of_key(database, key.strip())
        if organisation is None:
            return None
        return Actor(organisation.role, organisation.id, None, organisation.city or None)


@pages.route("/signin", methods=["GET", "POST"])
@limiter.limit(signin_limit, key_func=signin_person, methods=["POST"], deduct_when=failed)
@limiter.limit(signin_limit_wide, key_func=signin_name, methods=["POST"], deduct_when=failed)
@limiter.limit(signin_limit_wide, methods=["POST"], deduct_when=failed)
@public
def signin() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("signin.html")
    with transaction(resources().engine, ENGINE) as database:
        account = sign_in(
            database, request.form.get("username", "").strip(), request.form.get("password", "")
        )
        person = SignedIn(account) if account else None
    if person is None:
        flash(_("用户名或密码不对。"), "danger")
        return render_template("signin.html"), 401
    session.clear()
    session.permanent = True
    login_user(person)
    return redirect(local_path(request.args.get("next")) or url_for(HOME[person.actor.role]))


@pages.post("/signout")
@public
def signout() -> ResponseReturnValue:
    """The cookie is the session, so every copy of it must lose its worth (ASVS 7.4.1): the account is out everywhere."""
    if current_user.is_authenticated:
        with transaction(resources().engine, ENGINE) as database:
            end_sessions(database, current_user.actor.account_id)
    logout_user()
    session.clear()
    return redirect(url_for("land.home"))


def local_path(target: str | None) -> str | None:
    """Return `target` when it is a path of this site, so that signing in never leads elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else target
