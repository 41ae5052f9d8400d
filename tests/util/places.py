"""Where things lie in a checkout."""

from pathlib import Path

UTIL = Path(__file__).parent
ROOT = UTIL.parent.parent
