"""The outer wall: what it shows of the host."""

from deltanas_tools.sandbox import bubblewrap


def test_an_environment_below_tmp_is_not_hidden_by_the_folder_for_temporary_files() -> None:
    arguments = bubblewrap.command("bwrap", info_fd=3, cuda=False)
    assert arguments.index("--tmpfs") < arguments.index("--ro-bind")
