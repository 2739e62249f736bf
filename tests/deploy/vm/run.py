#!/usr/bin/python3
"""Boots a Debian 12 with Debian's own kernel in a virtual machine and lets the package live its life
there: inside.sh, whose lines are printed. What test_real_systemd.py sees in namespaces, with nothing
of this machine left in it.

    make build && tests/deploy/vm/run.py        # as root; several minutes

Needs qemu-system-x86 beside what scripts/install-deps.sh test installs. No part of "make test".
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "integration")]

from lib.load import compile_load  # noqa: E402
from parts import debian, packages  # noqa: E402

ROOT = HERE.parents[2]
BINARY = pathlib.Path(os.environ.get("EVERGATE", ROOT / "build" / "evergate")).resolve()
KERNEL = "linux-image-cloud-amd64"
APT = ("apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0")
GOOD = "all of it is well"

#: Emulation works everywhere. EVERGATE_VM_ACCEL=kvm is many times faster where it works.
ACCELERATOR = os.environ.get("EVERGATE_VM_ACCEL", "tcg")

#: Runs inside.sh when everything is up, and ends the machine.
UNIT = """[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
ExecStart=/bin/sh /root/inside.sh
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/console
"""


def kernel(root):
    """Unpacked, not installed: that would make an initial RAM disk, which nothing here needs."""
    listed = root.run("apt-cache", "depends", "--important", KERNEL).stdout
    name = next(line.split()[1] for line in listed.splitlines() if "Depends:" in line)
    root.run("sh", "-ec", f"cd /tmp; apt-get download -q {name}; "
             f"dpkg-deb --fsys-tarfile {name}_*.deb | tar -x -C / --keep-directory-symlink")
    return root.inside(f"/boot/{name.replace('linux-image', 'vmlinuz')}")


def furnish(root, room):
    for version in ("0.1.0", "0.1.1"):
        deb = packages.build(BINARY, room / version, "DEB", version)
        shutil.copy(deb, root.inside(f"/root/evergate_{version}.deb"))
    shutil.copy(compile_load(room), root.inside("/usr/local/bin/load"))
    shutil.copy(HERE / "inside.sh", root.inside("/root/inside.sh"))
    root.run(*APT, "update")
    root.run(*APT, "install", "systemd-sysv", "curl")
    root.run(*APT, "install", "--download-only", "/root/evergate_0.1.0.deb")
    root.inside("/etc/systemd/system/inside.service").write_text(UNIT)
    wanted = root.inside("/etc/systemd/system/default.target.wants")
    wanted.mkdir(exist_ok=True)
    (wanted / "inside.service").symlink_to("/etc/systemd/system/inside.service")
    root.inside("/usr/sbin/policy-rc.d").unlink()


def boot(image, vmlinuz):
    """What it wrote to its serial line, printed as it comes."""
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-machine", "q35", "-accel", ACCELERATOR, "-cpu", "max",
         "-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none",
         "-no-reboot", "-serial", "stdio", "-kernel", vmlinuz,
         "-append", "console=ttyS0 root=/dev/nvme0n1 rw quiet panic=-1 systemd.show_status=no "
         "systemd.getty_auto=no",
         "-drive", f"file={image},format=raw,if=none,id=disk", "-device",
         "nvme,drive=disk,serial=1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        errors="replace")
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    process.wait()
    return "".join(lines)


def main():
    with tempfile.TemporaryDirectory(dir=debian.deploy_dir()) as name:
        room = pathlib.Path(name)
        root = debian.DebianRoot(room / "root", debian.base_tarball())
        try:
            furnish(root, room)
            vmlinuz = kernel(root)
            image = room / "disk"
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root.path, image, "3G"], check=True)
            said = boot(image, vmlinuz)
        finally:
            root.remove()
    return 0 if GOOD in said else 1


if __name__ == "__main__":
    sys.exit(main())
