"""A person in a browser with an authenticator; whatever the browser complains of fails the test."""

from axe_playwright_python.sync_playwright import Axe

_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Person:
    """One browser profile; `page` is its only tab, `complaints` what its console said."""

    def __init__(self, chromium, url, name, *, scripts=True, **screen):
        self.url, self.name = url, name
        self.context = chromium.new_context(java_script_enabled=scripts, **screen)
        self.page = self.context.new_page()
        self.page.set_default_timeout(45_000)
        self.complaints = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if scripts:
            session = self.context.new_cdp_session(self.page)
            session.send("WebAuthn.enable")
            session.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})

    def come_in(self, link):
        """Make a passkey by a one-time link; the recovery codes are kept in `codes`."""
        self.page.goto(link)
        self.follow(self.page.get_by_role("button", name="Make a passkey"))
        self.page.get_by_role("heading", name="Your recovery codes").wait_for()
        self.codes = self.page.locator(".codes code").all_text_contents()
        self.follow(self.page.get_by_role("link", name="I have them: go on"))
        self.page.get_by_role("heading", name="Overview").wait_for()

    def sign_in_by_code(self, code):
        """Sign in as somebody does who has no passkey here."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_text("Use a recovery code", exact=True).click()
        self.page.get_by_label("Your name here").fill(self.name)
        self.page.get_by_label("Recovery code").fill(code)
        self.follow(self.page.get_by_role("button", name="Sign in", exact=True))
        self.page.get_by_role("heading", name="Overview").wait_for()

    def see(self, path):
        """Open a page; what it says."""
        answer = self.page.goto(f"{self.url}{path}")
        assert 200 == answer.status, path
        return self.page.locator("main").inner_text()

    def follow(self, link):
        """Click what leads to another page, and wait until that one is whole, its script included."""
        with self.page.expect_navigation():
            link.click()

    def barriers(self):
        """What axe finds on this page that keeps people out: its serious and critical findings."""
        found = Axe().run(self.page).response["violations"]
        return [
            (one["id"], one["nodes"][0]["html"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def close(self):
        """Close the browser profile; nothing may have been complained of."""
        self.context.close()
        assert [] == self.complaints

    def _hear(self, message):
        # A page that answers 4xx is told in the console as well; the tests look at the answer.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)
