"""What people are called here: names that the audit log can show and nobody can take for another's."""

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAME_RULE: Final = "A name has 1 to 64 of a-z, 0-9, dot, dash and underscore."
