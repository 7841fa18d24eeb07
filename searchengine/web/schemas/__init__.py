"""What requests and answers of the REST API look like, as pydantic models.

Imports `search`. Begin with `requests`, which check what comes in; `answers` describe what goes
out. Import all of them from here.
"""

from searchengine.web.schemas.albums import *  # noqa: F403
from searchengine.web.schemas.answers import *  # noqa: F403
from searchengine.web.schemas.duplicates import *  # noqa: F403
from searchengine.web.schemas.library import *  # noqa: F403
from searchengine.web.schemas.requests import *  # noqa: F403
