from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """No model is looked for on the network; set before the libraries that read it are imported."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_OFFLINE", "1")
        yield
