"""The one door of runtimes and devices."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from nervbench import plugins
from nervbench.errors import ConfigError, UnsupportedError


def offer(monkeypatch: pytest.MonkeyPatch, *values: tuple[str, str]) -> None:
    """Make these (name, value) pairs the runtimes that are installed."""
    entries = EntryPoints(EntryPoint(name, value, plugins.RUNTIMES) for name, value in values)
    monkeypatch.setattr("importlib.metadata.entry_points", entries.select)


def test_ours_are_installed() -> None:
    """The five runtimes and the CPU come through entry points like anyone's."""
    assert {"eager", "torchscript", "compiled", "ort", "ov"} <= set(plugins.names(plugins.RUNTIMES))
    assert "cpu" in plugins.names(plugins.DEVICES)


def test_names_import_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are listed, sorted and once, without importing what they stand for."""
    offer(monkeypatch, ("b", "nowhere_b:X"), ("a", "nowhere_a:X"), ("a", "nowhere_a:X"))

    assert plugins.names(plugins.RUNTIMES) == ["a", "b"]


def test_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name gives the object of its entry point, also where two installations offer the same one."""
    offer(monkeypatch, ("seven", "string:digits"), ("seven", "string:digits"))

    assert plugins.load(plugins.RUNTIMES, "seven") == "0123456789"


def test_unknown() -> None:
    """An unknown name is answered with the known ones and the nearest."""
    with pytest.raises(ConfigError, match=r"unknown runtime 'eagr'; known: .*eager.*; did you mean 'eager'\?"):
        plugins.load(plugins.RUNTIMES, "eagr")
    with pytest.raises(ConfigError, match="unknown device 'tpu'; known: cpu"):
        plugins.load(plugins.DEVICES, "tpu")


def test_unknown_group() -> None:
    """A group that nobody offers anything for has no names."""
    assert plugins.names("nervbench.nothing") == []
    with pytest.raises(ConfigError, match="known: none"):
        plugins.load("nervbench.nothing", "x")


def test_import_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime whose package is not installed is unsupported, and the package is named."""
    offer(monkeypatch, ("gone", "no_such_package.runtime:X"))

    with pytest.raises(
        UnsupportedError, match=r"'gone' cannot run here: .*install the package that has no_such_package"
    ):
        plugins.load(plugins.RUNTIMES, "gone")


def test_library_fails(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A runtime whose library cannot be loaded is unsupported with the loader's own reason."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "broken_runtime.py").write_text("raise ImportError('libx.so.9: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "broken_runtime", raising=False)
    offer(monkeypatch, ("broken", "broken_runtime:X"))

    with pytest.raises(UnsupportedError, match=r"broken_runtime could not be imported \(libx\.so\.9"):
        plugins.load(plugins.RUNTIMES, "broken")


def test_two_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that two packages offer for different things is refused, not chosen in silence."""
    offer(monkeypatch, ("x", "string:digits"), ("x", "string:hexdigits"))

    with pytest.raises(ConfigError, match="runtime 'x' is offered more than once"):
        plugins.load(plugins.RUNTIMES, "x")
