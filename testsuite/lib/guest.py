# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines of other kinds, with kernels of other kinds, in qemu.

    with Guest("arm64", initramfs) as guest:
        guest.wait("guest: ready")
        client = guest.connect()

scripts/kernels has fetched the kernels; what runs in a guest is built by
build() with the machine's compiler.  The guest's first process is
testsuite/tools/guestinit.c; its console is a log here, and its ports 110
and 111 are two of ours on 127.0.0.1.  There is no other way in or out.
"""

import io
import shutil
import stat

from popbox import *
from popbox import _top

BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.dirname(POPBOX))
KERNELS = BUILD + "/kernels"

# qemu's command and machine, console, network card
MACHINES = {
    "amd64": ("x86_64 -M pc -cpu max", "ttyS0", "virtio-net-pci,romfile="),
    "arm64": ("aarch64 -M virt -cpu cortex-a53", "ttyAMA0",
              "virtio-net-pci,romfile="),
    "armhf": ("arm -M virt -cpu cortex-a15", "ttyAMA0",
              "virtio-net-pci,romfile="),
    "mipsel": ("mipsel -M malta -cpu 24Kf", "ttyS0", "pcnet,romfile="),
    "s390x": ("s390x -M s390-ccw-virtio", "ttysclp0", "virtio-net-ccw"),
}

# What a build is told; nothing where the host's own compiler does it.
CROSS_COMPILE = {
    "amd64": "",
    "arm64": "aarch64-linux-gnu-",
    "armhf": "arm-linux-gnueabihf-",
    "mips": "mips-linux-gnu-",
    "mipsel": "mipsel-linux-gnu-",
    "s390x": "s390x-linux-gnu-",
}

# A whole boot, tests included, in the emulator of a busy machine.
BOOT = 120

_building = {machine: threading.Lock() for machine in CROSS_COMPILE}
_built = set()


def build(machine, name="server", settings=()):
    """popbox and the unit test `sandbox` for a machine: their directory."""
    out = "%s/%s-%s" % (KERNELS, name, machine)
    with _building[machine]:
        if out not in _built:
            _make(CROSS_COMPILE[machine], out, settings)
        _built.add(out)
    return out


def _make(cross, out, settings):
    os.makedirs(out, exist_ok=True)
    shutil.copy(_top + "/configs/server_defconfig", out + "/.config")
    with open(out + "/.config", "a") as file:
        file.write("".join(line + "\n" for line in settings))
    xcrypt = os.path.abspath(os.environ.get("XCRYPT_DIR") or BUILD + "/xcrypt")
    _run([os.environ.get("MAKE") or "make", "--no-print-directory", "-s",
          "O=" + out, "KCONFIG_CONFIG=%s/.config" % out,
          "XCRYPT_DIR=" + xcrypt, "CROSS_COMPILE=" + cross,
          "all", out + "/unit/sandbox"])
    compiler = (cross + "gcc" if cross else
                "musl-gcc" if shutil.which("musl-gcc") else "gcc")
    _run([compiler, "-Os", "-s", "-static", "-D_GNU_SOURCE", "-o",
          out + "/init", _top + "/testsuite/tools/guestinit.c"])


def _run(argv):
    # What is the caller's make's own is not for this one.
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CFLAGS",
                        "LDFLAGS", "O", "B", "KCONFIG_CONFIG", "BUILD")}
    done = subprocess.run(argv, env=env, cwd=_top, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError("%s:\n%s" % (
            " ".join(argv), done.stdout.decode("latin-1")))


class Initramfs:
    """What the kernel unpacks as its first root: a "newc" cpio archive."""

    def __init__(self):
        self.out = io.BytesIO()
        self.number = 0

    def add(self, path, mode, data=b"", owner=0, device=(0, 0)):
        name = path.lstrip("/").encode() + b"\0"
        self.number += 1
        self.out.write(b"070701" + b"".join(b"%08X" % field for field in (
            self.number, mode, owner, owner, 1, 0, len(data), 0, 0,
            *device, len(name), 0)) + name)
        self._pad()
        self.out.write(data)
        self._pad()

    def _pad(self):
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def directory(self, path, owner=0, mode=0o755):
        self.add(path, stat.S_IFDIR | mode, owner=owner)

    def file(self, path, data, owner=0, mode=0o644):
        self.add(path, stat.S_IFREG | mode, data, owner)

    def copy(self, path, source):
        with open(source, "rb") as file:
            self.file(path, file.read(), mode=0o755)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return self.out.getvalue()


class Guest:
    """A kernel, an initramfs and their console."""

    def __init__(self, machine, initramfs, kernel=None, append=""):
        command, console, card = MACHINES[machine]
        directory = scratch("guest")
        self.path = directory + "/console"
        at = "%s/%s" % (KERNELS, kernel or machine)
        with open(directory + "/initramfs", "wb") as file:
            file.write(initramfs.bytes())
        self.ports = {n: free_port("127.0.0.1") for n in (110, 111)}
        self.process = subprocess.Popen(
            ["qemu-system-" + command.split()[0], *command.split()[1:],
             "-accel", "tcg", "-m", "128", "-nographic", "-no-reboot",
             "-nodefaults", "-serial", "file:" + self.path,
             "-kernel", at + "/vmlinuz", "-initrd", directory + "/initramfs",
             "-append", "console=%s panic=-1 quiet %s" % (console, append),
             "-netdev", "user,id=n0,restrict=on" + "".join(
                 ",hostfwd=tcp:127.0.0.1:%d-:%d" % (ours, theirs)
                 for theirs, ours in self.ports.items()),
             "-device", card + ",netdev=n0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        cleanup(self.end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def console(self):
        try:
            with open(self.path, "rb") as file:
                return file.read().decode("latin-1").replace("\r", "")
        except FileNotFoundError:
            return ""

    def wait(self, pattern, timeout=BOOT):
        """The match in the console; an error when it never comes."""
        def look():
            return (re.search(pattern, self.console(), re.M) or
                    self.process.poll() is not None)
        found = wait_for(look, timeout, every=0.1)
        if found in (None, True, False):
            raise RuntimeError("%r did not come: %s\n%s" % (
                pattern, self.process.poll(), self.console()[-2000:]))
        return found

    def connect(self, port=110):
        sock = socket.create_connection(("127.0.0.1", self.ports[port]),
                                        PATIENCE)
        return Client(sock.fileno(), owner=sock)


def need_compiler(machine):
    """Ends the test where nothing compiles for it."""
    compiler = CROSS_COMPILE[machine] + "gcc"
    if not shutil.which(compiler):
        raise Skip("no " + compiler)


def need_kernel(machine, kernel=None):
    """Ends the test where the machine or its kernel is not there."""
    program = "qemu-system-" + MACHINES[machine][0].split()[0]
    if not shutil.which(program):
        raise Skip("no " + program)
    if not os.path.exists("%s/%s/vmlinuz" % (KERNELS, kernel or machine)):
        raise Skip("no kernel: scripts/kernels fetches it")
    need_compiler(machine)
