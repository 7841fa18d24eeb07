"""The values that travel between layers, and the Protocols that plugins implement.

Import all of them from here. Begin with `values`; `protocols` are for who writes a plugin.
"""

from searchengine.types.indexes import *  # noqa: F403
from searchengine.types.protocols import *  # noqa: F403
from searchengine.types.values import *  # noqa: F403
