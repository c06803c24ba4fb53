"""The payload folder is proven at start: hosts that do not share it must not run on one database."""

import pytest

from gateway.errors import ConfigError
from gateway.store.payloads import PayloadFolder
from gateway.store.shared_folder import prove_shared


async def test_the_first_folder_is_taken_and_every_host_that_has_it_too_may_start(store, tmp_path):
    await prove_shared(store, PayloadFolder(tmp_path / "payloads"))
    await prove_shared(store, PayloadFolder(tmp_path / "payloads"))
    (tmp_path / "mounted").symlink_to(tmp_path / "payloads")
    await prove_shared(store, PayloadFolder(tmp_path / "mounted"))
    assert [file.name for file in (tmp_path / "payloads").iterdir()] == ["mark"]


async def test_a_host_whose_share_is_not_mounted_does_not_start(store, tmp_path):
    await prove_shared(store, PayloadFolder(tmp_path / "payloads"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="is the shared folder mounted"):
            await prove_shared(store, PayloadFolder(tmp_path / "empty"))
    await prove_shared(store, PayloadFolder(tmp_path / "payloads"))
