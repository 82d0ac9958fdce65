"""All checks of a run."""

from __future__ import annotations

from collections.abc import Sequence

from veristep.supervise.checks.around import Around
from veristep.supervise.checks.code import CodeCheck
from veristep.supervise.checks.compile_cache import CompileCaches
from veristep.supervise.checks.data import DataCheck
from veristep.supervise.checks.environment import EnvironmentCheck
from veristep.supervise.checks.executed import Executed
from veristep.supervise.checks.files import FileCheck
from veristep.supervise.checks.imports import ImportsOnRecord
from veristep.supervise.checks.load import Loads
from veristep.supervise.checks.mapped import MappedLibraries
from veristep.supervise.checks.memory import MemoryCheck
from veristep.supervise.checks.policy import PolicyCheck
from veristep.supervise.checks.process import Waits
from veristep.supervise.checks.protocol import Maker
from veristep.supervise.checks.steps import Steps

EVERY: Sequence[Maker] = (
    CompileCaches,
    CodeCheck,
    Around,
    DataCheck,
    EnvironmentCheck,
    Executed,
    FileCheck,
    Loads,
    MappedLibraries,
    PolicyCheck,
    ImportsOnRecord,
    Steps,
    Waits,
    MemoryCheck,
)
