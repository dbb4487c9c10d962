# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP 13 for tests written as functions.

A test is a function marked @test that calls ok(), is_(), like() or skip()
any number of times.  run_tests() runs them side by side in threads (most of
their time is spent waiting for a server's timeout) and prints their results
in the order of the file.  Outside of a test function results are printed at
once; end such a script with done().
"""

import atexit
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

_tests = []
_count = 0
_failed = 0
_local = threading.local()


class Skip(Exception):
    """Ends a test function: the rest of it cannot run here."""


class _Results:
    """What one test function has found so far."""

    def __init__(self):
        self.lines = []         # (ok, description, diagnostics, skip reason)
        self.cleanups = []      # called in reverse order at the end


def _print(good, what, diag, why):
    global _count, _failed
    _count += 1
    _failed += not good
    what = what.replace("#", "\\#")
    print("%sok %d - %s%s" % ("" if good else "not ", _count, what,
                              " # SKIP " + why if why else ""))
    for line in diag.splitlines():
        print("#   " + line)
    sys.stdout.flush()


def _record(good, what, diag="", why=None):
    here = getattr(_local, "results", None)
    if here is None:
        _print(good, what, diag, why)
    else:
        here.lines.append((good, what, diag, why))
    return good


def _short(value, most=300):
    text = repr(value)
    if len(text) <= most:
        return text
    return "%s ... (%d characters)" % (text[:most], len(text))


def ok(good, what, *diag):
    """Passes when `good` is true; `diag` is shown when it is not."""
    return _record(bool(good), what,
                   "" if good else "\n".join(
                       d if isinstance(d, str) else _short(d) for d in diag))


def is_(got, want, what, *diag):
    """Passes when got == want; for long bytes the first difference is shown."""
    if got == want:
        return _record(True, what)
    lines = ["got:  " + _short(got), "want: " + _short(want)]
    if isinstance(got, (bytes, bytearray)) and isinstance(want, bytes):
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                  min(len(got), len(want)))
        lines.append("first difference at byte %d: got %r, want %r" % (
            at, bytes(got[at:at + 24]), want[at:at + 24]))
        lines.append("lengths: %d and %d" % (len(got), len(want)))
    return _record(False, what, "\n".join(lines + [str(d) for d in diag]))


def like(got, pattern, what, *diag):
    """Passes when the regular expression is found in `got`."""
    text = got.decode("latin-1") if isinstance(got, (bytes, bytearray)) else got
    if text is not None and re.search(pattern, text, re.M):
        return _record(True, what)
    return _record(False, what, "\n".join(
        ["got:  " + _short(got), "want: /%s/" % pattern] +
        [str(d) for d in diag]))


def unlike(got, pattern, what):
    text = got.decode("latin-1") if isinstance(got, (bytes, bytearray)) else got
    found = re.search(pattern, text, re.M)
    return _record(not found, what, "" if not found else
                   "found /%s/ in %s" % (pattern, _short(got)))


def skip(what, why):
    return _record(True, what, why=why)


def skip_all(why):
    """Ends the script: nothing in this file can run here."""
    print("1..0 # SKIP " + why)
    sys.stdout.flush()
    os._exit(0)


@functools.lru_cache(None)
def _can_unshare():
    return subprocess.run(["unshare", "-m", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def private_mounts():
    """The start of a command whose mounts nobody else sees."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not _can_unshare() and not os.environ.get("CI"):
        # A chroot into a folder: its root is no mount of its own, so it
        # cannot be made private, and mounts would show outside.
        raise Skip("needs mounts of its own: / is not a mount point")
    return ["unshare", "-m"]


def cleanup(call, *args):
    """Calls call(*args) when the test function is over, or at exit."""
    here = getattr(_local, "results", None)
    if here is None:
        atexit.register(call, *args)
    else:
        here.cleanups.append((call, args))


def test(function):
    _tests.append(function)
    return function


def _title(function):
    doc = (function.__doc__ or function.__name__).strip()
    return " ".join(doc.split())


def _run_one(function, *args):
    results = _local.results = _Results()
    try:
        function(*args)
    except Skip as why:
        skip(_title(function), str(why))
    except Exception:
        ok(False, _title(function) + ": died", traceback.format_exc())
    for call, what in reversed(results.cleanups):
        try:
            call(*what)
        except Exception:
            ok(False, _title(function) + ": cleaning up",
               traceback.format_exc())
    _local.results = None
    return results.lines


def spread(function, cases, jobs=12):
    """Inside a test: function(*case) for each case, side by side.

    For cases that each wait long; results keep the order of the cases.
    """
    here = _local.results
    with ThreadPoolExecutor(jobs) as pool:
        for lines in pool.map(lambda case: _run_one(function, *case), cases):
            here.lines += lines


def run_tests(jobs=4):
    """Runs every @test function, prints results in order, and exits.

    Arguments on the command line choose tests by a part of their name.
    """
    chosen = [t for t in _tests if len(sys.argv) < 2 or
              any(word in t.__name__ for word in sys.argv[1:])]
    with ThreadPoolExecutor(jobs) as pool:
        for lines in pool.map(_run_one, chosen):
            for line in lines:
                _print(*line)
    done()


def done():
    """Prints the plan and exits: 0 when nothing failed."""
    print("1..%d" % _count)
    sys.stdout.flush()
    sys.exit(_failed > 0)


# The runner ends a test that hangs with SIGTERM: exit in the ordinary way,
# so that servers are ended and directories removed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
