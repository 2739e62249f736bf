"""The packages, made by CPack from the build tree of the binary that is tested."""

import pathlib
import subprocess


def build(binary, room, generator, version):
    """The file that CPack made of the tree that `binary` was built in."""
    room = pathlib.Path(room)
    tree = pathlib.Path(binary).parent
    assert (tree / "CPackConfig.cmake").exists(), f"{tree} is no build tree: cmake --preset release"
    result = subprocess.run(
        ["cpack", "--config", tree / "CPackConfig.cmake", "-G", generator, "-B", room,
         "-D", f"CPACK_PACKAGE_VERSION={version}"],
        cwd=tree, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert result.returncode == 0, result.stdout[-4000:]
    made = [path for path in room.iterdir() if path.suffix in (".deb", ".gz")]
    assert len(made) == 1, result.stdout[-4000:]
    return made[0]
