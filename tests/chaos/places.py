"""Where things are."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# The integration suite's library: the proxy as a child process, real servers, certificates.
sys.path.insert(0, str(ROOT / "tests" / "integration"))

LOAD = pathlib.Path(os.environ.get("CHAOS_LOAD", ROOT / "build" / "chaos" / "chaos_load"))
EVERGATE = pathlib.Path(os.environ.get("EVERGATE", ROOT / "build" / "evergate")).resolve()
