"""Hatch's build hook: adds the gate's hook in C to the wheel, where there is a compiler."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeGate(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """Builds in place; a wheel without it is a pure one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files are collected."""
        del version
        spec = importlib.util.spec_from_file_location("build_native", Path(self.root) / "build_native.py")
        assert spec is not None
        assert spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        if native.build(native.SOURCE.parent) is not None:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data.setdefault("artifacts", []).append("src/veristep/guard/load/gate_native*.so")
