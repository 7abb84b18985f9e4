from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import torch

pytest.register_assert_rewrite(f"{__package__}.contract", f"{__package__}.page_contract")

from .fake_a1111 import FakeA1111  # noqa: E402
from .fake_classic import FakeClassic  # noqa: E402
from .fake_ersatz import FakeErsatz  # noqa: E402
from .fake_forge import FakeForge  # noqa: E402
from .fake_neo import FakeNeo, FakeNewestNeo  # noqa: E402
from .fake_reforge import FakeReForge  # noqa: E402
from .fake_sdnext import FakeSDNext  # noqa: E402

Host = TypeVar("Host", FakeA1111, FakeReForge, FakeClassic, FakeForge, FakeErsatz, FakeNeo, FakeNewestNeo, FakeSDNext)


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Keep torch from waking its threads for each of many small sums, which takes milliseconds on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _loaded(kind: type[Host], folder: Path) -> Iterator[Host]:
    """Put a host into `sys.modules`, with an SD 1 model loaded and nothing of ours in it."""
    with kind.installed(folder) as modules:
        host = kind(modules)
        host.load("sd1")
        yield host


@pytest.fixture
def a1111(tmp_path: Path) -> Iterator[FakeA1111]:
    """AUTOMATIC1111."""
    yield from _loaded(FakeA1111, tmp_path)


@pytest.fixture
def reforge(tmp_path: Path) -> Iterator[FakeReForge]:
    """The same of reForge."""
    yield from _loaded(FakeReForge, tmp_path)


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[FakeClassic]:
    """The same of Forge Classic."""
    yield from _loaded(FakeClassic, tmp_path)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[FakeForge]:
    """The same of Forge."""
    yield from _loaded(FakeForge, tmp_path)


@pytest.fixture
def ersatz(tmp_path: Path) -> Iterator[FakeErsatz]:
    """The same of ersatzForge."""
    yield from _loaded(FakeErsatz, tmp_path)


@pytest.fixture
def older_neo(tmp_path: Path) -> Iterator[FakeNeo]:
    """The same of Forge Neo with Forge's text engines."""
    yield from _loaded(FakeNeo, tmp_path)


@pytest.fixture
def newest_neo(tmp_path: Path) -> Iterator[FakeNewestNeo]:
    """The same of Forge Neo with renamed ones."""
    yield from _loaded(FakeNewestNeo, tmp_path)


@pytest.fixture(params=["older_neo", "newest_neo"])
def neo(request: pytest.FixtureRequest) -> FakeNeo:
    """The same of both."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def sdnext(tmp_path: Path) -> Iterator[FakeSDNext]:
    """The same of SD.Next."""
    yield from _loaded(FakeSDNext, tmp_path)
