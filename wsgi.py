"""The web server's entry point; settings are read here once."""

from landready.settings import load
from web.app import create_app

application = create_app(load())
