"""Our receiver through Flask and granian's WSGI interface: what the fast path of the web process saves."""

from runtime.settings import load_settings
from runtime.wiring import open_wiring
from webhooks.app import create_app
from webhooks.server import build_committer, build_readiness, build_receivers

_wiring = open_wiring(load_settings())
app = create_app(build_receivers(_wiring, build_committer(_wiring)), build_readiness(_wiring))
