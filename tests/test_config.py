"""bench.toml: what a right one means, and what each wrong one is answered."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervbench import config
from nervbench.data.clip import RESAMPLES
from nervbench.data.packaged import PACKAGED
from nervbench.errors import ConfigError
from nervbench.settings import Player, Server, Stopping

MODELS = ("nerv-xs", "nerv-s", "nerv-m")
SHIPPED = Path(__file__).parents[1] / "bench.toml"
RUNTIMES = ("eager", "torchscript", "compiled", "ort", "ov", "winograd")
SMALL = """
[[models]]
name = "nerv-xs"
weights = "bundled"
[[matrix]]
models = ["nerv-xs"]
runtimes = ["eager", "ort"]
"""


def loaded(folder: Path, text: str) -> config.Bench:
    """The bench of a text, as if it were in a file of that folder."""
    path = folder / "bench.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, MODELS, RUNTIMES)


def problems(folder: Path, text: str) -> tuple[str, ...]:
    """The problems of a text."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert caught.value.source is not None
    assert caught.value.source.endswith("bench.toml")
    return caught.value.problems


def test_shipped_file() -> None:
    """The checked-in bench.toml means 14 cases: all runtimes at 320×180, and the table of NeRV-S."""
    bench = config.load(SHIPPED, MODELS, RUNTIMES)
    names = [case.name for case in config.cases(bench)]

    assert len(names) == len(set(names)) == 15
    assert {f"nerv-xs/fp32/{name}/b1" for name in RUNTIMES} < set(names)
    assert {f"nerv-s/{case}/b1" for case in ("fp32/eager", "fp32/ort", "fp32/ov", "bf16/ov")} < set(names)
    assert "nerv-xs/fp32/ov/b4/offline" in names


def test_shipped_file_states_the_defaults() -> None:
    """What the checked-in bench.toml says of stopping, limits and verifying is what holds where a file is silent."""
    bench = config.load(SHIPPED, MODELS, RUNTIMES)

    assert (bench.stopping, bench.limits, bench.verify) == (Stopping(), config.Limits(), config.Verify())
    assert bench.clip == config.ClipSource()


def test_names_are_those_of_the_clip() -> None:
    """The filters and the packaged clips that a file may name are those that data.clip has."""
    assert set(config.FILTERS) == set(RESAMPLES)
    assert tuple(PACKAGED) == config.CLIP_NAMES


def test_the_beginning_of_a_clip(tmp_path: Path) -> None:
    """A number behind a colon stays with the clip that it is of; a file's own colon is its name."""
    for name in ("film.mp4", "odd:7"):
        (tmp_path / name).touch()
    for source, meant in [
        ("bikes:132", "bikes:132"),
        ("film.mp4:9", f"{tmp_path / 'film.mp4'}:9"),
        ("odd:7", str(tmp_path / "odd:7")),
    ]:
        assert loaded(tmp_path, f'{SMALL}\n[clip]\nsource = "{source}"\n').clip.source == meant


def test_defaults(tmp_path: Path) -> None:
    """A file of six lines is enough: the rest is Big Buck Bunny, fp32, batch 1, single stream."""
    (first, second) = config.cases(loaded(tmp_path, SMALL))

    assert (first.name, second.name) == ("nerv-xs/fp32/eager/b1", "nerv-xs/fp32/ort/b1")
    assert first.weights == "bundled"


def test_cases_are_in_order_and_once(tmp_path: Path) -> None:
    """Entries that overlap give each case once, where it came first; runtimes vary fastest."""
    more = SMALL + 'precisions = ["fp32", "bf16"]\n[[matrix]]\nmodels = ["nerv-xs"]\nruntimes = ["ov", "eager"]\n'

    assert [case.name for case in config.cases(loaded(tmp_path, more))] == [
        "nerv-xs/fp32/eager/b1", "nerv-xs/fp32/ort/b1", "nerv-xs/bf16/eager/b1", "nerv-xs/bf16/ort/b1",
        "nerv-xs/fp32/ov/b1",
    ]  # fmt: skip


def test_protocols(tmp_path: Path) -> None:
    """A published protocol is part of the name, and is for a single stream only."""
    both = SMALL + 'protocols = ["strict", "nerv"]\n'
    assert [case.name.removeprefix("nerv-xs/fp32/") for case in config.cases(loaded(tmp_path, both))] == [
        "eager/b1", "ort/b1", "eager/b1/nerv", "ort/b1/nerv",
    ]  # fmt: skip
    assert problems(tmp_path, both + 'scenarios = ["offline"]\n') == (
        "matrix[0]: protocols other than strict time a single_stream only; give other scenarios an entry of their own",
    )
    assert "did you mean 'nerv'?" in problems(tmp_path, SMALL + 'protocols = ["nerf"]\n')[0]


def test_server_and_player(tmp_path: Path) -> None:
    """What a server and a player are held to has tables of its own."""
    bench = loaded(tmp_path, SMALL + "[server]\nlatency_bound_s = 0.1\n[player]\nplay_s = 300\n")
    assert (bench.server, bench.player) == (Server(0.1), Player(play_s=300))
    assert problems(tmp_path, SMALL + "[player]\nseek_every_s = 0\n")[0].startswith("player.seek_every_s: must be")


def test_select(tmp_path: Path) -> None:
    """A glob selects by name, and one that matches nothing names some that exist."""
    cases = config.cases(loaded(tmp_path, SMALL))

    assert [case.runtime for case in config.select(cases, "*/ort/*")] == ["ort"]
    with pytest.raises(ConfigError, match=r"no case matches 'nerv-l\*'; there are 2, such as nerv-xs/fp32/eager/b1"):
        config.select(cases, "nerv-l*")


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    """Relative paths of clip and weights are relative to the folder of the bench.toml."""
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "mine.safetensors").touch()
    text = SMALL.replace("bundled", "mine.safetensors") + '[clip]\nsource = "clip.mp4"\n'
    bench = loaded(tmp_path, text)

    assert bench.clip.source == str(tmp_path / "clip.mp4")
    assert bench.models[0].weights == str(tmp_path / "mine.safetensors")


def test_loss_is_stated_for_every_precision(tmp_path: Path) -> None:
    """A file that states the loss of one precision keeps the default of the others."""
    bench = loaded(tmp_path, SMALL + "[verify.max_loss_db]\nbf16 = 0.5\n")

    assert bench.verify.max_loss_db == config.MAX_LOSS_DB | {"bf16": 0.5}


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Unknown keys, models, runtimes, precisions and scenarios are reported together, each with its place and hint."""
    text = """
    colour = 1
    [clip]
    resampel = "bicubic"
    [[models]]
    name = "nerv-sx"
    weights = "bundeld"
    [[matrix]]
    models = ["nerv-ss"]
    runtimes = ["eagr"]
    precisions = ["fp61"]
    batches = [0, 1.5, true, "1"]
    scenarios = ["offlin"]
    [stopping]
    noise = nan
    """
    found = problems(tmp_path, text)
    starts = [
        "models[0].name: unknown model 'nerv-sx'", "models[0].weights: unknown weights 'bundeld'",
        "matrix[0].models[0]: unknown model 'nerv-ss'", "matrix[0].runtimes[0]: unknown runtime 'eagr'",
        "matrix[0].precisions[0]: unknown precision 'fp61'", "matrix[0].batches[0]: must be greater than or equal to 1",
        "matrix[0].batches[1]: must be an integer, found 1.5", "matrix[0].batches[2]: must be an integer, found true",
        "matrix[0].batches[3]: must be an integer, found '1'", "matrix[0].scenarios[0]: unknown scenario 'offlin'",
        "clip: unknown key 'resampel'", "stopping.noise: must be a finite number", "unknown key 'colour'",
    ]  # fmt: skip

    assert [line[: len(start)] for line, start in zip(found, starts, strict=True)] == starts
    for hint in ("nerv-s", "bundled", "eager", "fp16", "offline", "resample"):
        assert any(f"did you mean '{hint}'?" in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "models: is missing"),
        ("models = 5\n", "models: must be an array, found 5"),
        ("models = []\n", "models: must have at least one entry"),
        ("models = [1]\n", "models[0]: must be a table, found 1"),
        ("matrix = [{ runtimes = 7 }]\n", "matrix[0].runtimes: must be an array, found 7"),
        ("stopping = 3\n", "stopping: must be a table, found 3"),
        ("[stopping]\nmin_samples = 9\nmax_samples = 3\n", "stopping: min_samples 9 is more than max_samples 3"),
        ("[limits]\ncase_timeout_s = 1979-05-27\n", "limits.case_timeout_s: must be a number, found 1979-05-27"),
        (f"[limits]\ncase_timeout_s = 0x{'f' * 60}\n", "limits.case_timeout_s: must be less than or equal to 86400"),
        ("[verify]\nmax_loss_db = { fp33 = 1 }\n", "verify.max_loss_db.fp33: unknown precision 'fp33'"),
        ("[verify]\nmax_loss_db = 1\n", "verify.max_loss_db: must be a table"),
        ('[clip]\nsource = "none.mp4"\n', "clip.source: no such file or folder"),
        ('[clip]\nsource = "\\u0000"\n', "clip.source: no such file or folder"),
        (f'[clip]\nsource = "{"x" * 9000}"\n', "clip.source: no such file or folder"),
        ('[clip]\nresample = "bicubik"\n', "clip.resample: unknown filter 'bicubik'"),
    ],
)
def test_problem(tmp_path: Path, text: str, expected: str) -> None:
    """Each wrong value is answered with its place, what was found and what is possible."""
    found = problems(tmp_path, text)

    assert [line for line in found if line.startswith(expected)]
    assert all(len(line) < 400 for line in found)


def test_bounds_of_the_clip(tmp_path: Path) -> None:
    """The largest frame and the number of frames can be set, within what can be decoded."""
    bench = loaded(tmp_path, SMALL + "[clip]\nmax_pixels = 134_217_728\nmax_frames = 1\n")

    assert (bench.clip.max_pixels, bench.clip.max_frames) == (1 << 27, 1)
    found = problems(tmp_path, SMALL + "[clip]\nmax_pixels = 134_217_729\nmax_frames = 0\n")
    assert found == (
        "clip.max_pixels: must be less than or equal to 134217728, found 134217729",
        "clip.max_frames: must be greater than or equal to 1, found 0",
    )


@pytest.mark.parametrize(
    "text",
    ['[[models]]\nname = "\\u001b[2J\\n"\n', '"\\u001b[2J" = 1\n', f'"{"k" * 99_999}" = 1\n"{"k" * 99_999}" = 1\n',
     '[[models]]\nname = "\\u0007"\n[[models]]\nname = "\\u0007"\n', '[clip]\nsource = "\\u001b"\n'],
)  # fmt: skip
def test_problems_can_be_shown(tmp_path: Path, text: str) -> None:
    """Whatever the strings of a file hold, a problem is one line of bounded length that a terminal shows as it is."""
    for problem in problems(tmp_path, text):
        assert problem.isprintable()
        assert len(problem) <= config.MAX_PROBLEM + 1


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    """A checkpoint that does not exist is found before anything is measured."""
    (found,) = problems(tmp_path, SMALL.replace("bundled", "runs/mine.safetensors"))

    assert "models[0].weights: no such file" in found
    assert "runs/mine.safetensors" in found


def test_model_twice(tmp_path: Path) -> None:
    """A model has one entry, for its name is the name of its cases."""
    twice = SMALL + '[[models]]\nname = "nerv-xs"\nweights = "seeded:0"\n'

    assert problems(tmp_path, twice) == ("models: 'nerv-xs' is there more than once; a model has one entry",)


def test_matrix_too_large(tmp_path: Path) -> None:
    """A matrix of more cases than anybody means is refused without being expanded."""
    big = SMALL + f"batches = {list(range(1, 65))}\n"
    entries = "".join(f"[[matrix]]{big.split('[[matrix]]')[1]}" for _ in range(63))
    many = f"{SMALL.split('[[matrix]]')[0]}{entries}".replace('"eager", "ort"', '"eager", "ort", "ov"')

    assert problems(tmp_path, many) == (f"matrix: {63 * 64 * 3} cases; at most 10000",)


def test_syntax_error_has_file_and_line(tmp_path: Path) -> None:
    """A TOML syntax error names the file and the line."""
    with pytest.raises(ConfigError, match=r"bench\.toml: not valid TOML: .*line 2"):
        loaded(tmp_path, "a = 1\nb = = 2\n")


@pytest.mark.parametrize("text", ["a=" + "[" * 100_000, "a=" + "[" * 50 + "]" * 50, "a=" + "{b=" * 9000])
def test_nested(tmp_path: Path, text: str) -> None:
    """Deep nesting is refused in words, at whatever depth."""
    (found,) = problems(tmp_path, text)

    assert found.startswith("nested")


def test_dotted_keys(tmp_path: Path) -> None:
    """A key of half a million parts is refused at once, though tomllib would take hours."""
    assert problems(tmp_path, "a" + ".a" * 500_000 + "=1") == ("a line with more than 64 dots; this is no bench.toml",)


def test_many_problems_are_cut(tmp_path: Path) -> None:
    """Of a thousand problems fifty are shown and the rest is counted."""
    found = problems(tmp_path, "\n".join(f"key{number} = 1" for number in range(1000)))

    assert len(found) == config.MAX_PROBLEMS + 1
    assert found[-1] == "… and 952 more problems"


def test_not_a_text(tmp_path: Path) -> None:
    """A file that is too large, not UTF-8, a folder or missing is said to be that."""
    path = tmp_path / "bench.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(path, MODELS, RUNTIMES)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path, MODELS, RUNTIMES)
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(at line 2\)"):
        config.load(path, MODELS, RUNTIMES)
    path.write_bytes(b"#" * (config.MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        config.load(path, MODELS, RUNTIMES)


WORDS = st.sampled_from([
    "[[models]]", "[[matrix]]", "[clip]", "[verify]", "[stopping]", "models", "name", "weights", "runtimes", "batches",
    "noise", "max_loss_db", "source", "=", "=", "=", "[", "]", "{", "}", ",", ".", "'", '"', '"""', '"nerv-xs"',
    '"bundled"', '"eager"', "1", "-1", "1e999", "nan", "true", "1979-05-27", "07:32:00", "0x" + "f" * 40, "9" * 5000,
    "\n", "\n", "\n", " ", "\x00",
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(WORDS, max_size=40).map("".join)))
def test_any_text_is_a_bench_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever the text, it gives a Bench or a ConfigError, and nothing else is raised."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        assert config.cases(config.load(path, MODELS, RUNTIMES))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "noise", "x"]), inner),
    ),
    st.sampled_from(["clip", "models", "matrix", "stopping", "limits", "verify", "x"]),
)
def test_any_value_is_a_bench_or_a_config_error(value: object, key: str) -> None:
    """Whatever a table holds, it is a Bench or a ConfigError."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "_parsed", lambda path: {key: value})
        with pytest.raises(ConfigError):
            config.load(Path("bench.toml"), MODELS, RUNTIMES)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A bench.toml that is a pipe is refused at once."""
    os.mkfifo(tmp_path / "bench.toml")
    with pytest.raises(ConfigError, match="not a regular file"):
        config.load(tmp_path / "bench.toml", ["nerv-xs"], ["ov"])
