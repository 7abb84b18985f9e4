"""The contract of whole jobs, on every host with the prompt pipeline."""

from __future__ import annotations

import pytest

from .contract import HostUnderTest
from .job_contract import JobContract


class TestJobs(JobContract):
    """Each host in its turn."""

    @pytest.fixture(params=["a1111", "reforge", "classic", "forge", "older_neo", "newest_neo"])
    def host(self, request: pytest.FixtureRequest) -> HostUnderTest:
        found: HostUnderTest = request.getfixturevalue(request.param)
        return found
