"""Samples for scanners: files that run code when they are loaded, and ordinary files of real libraries.

    python bench/corpus.py FOLDER

writes FOLDER/malicious, FOLDER/benign and FOLDER/index.json. A payload writes a mark file and does nothing else. Each
malicious sample is loaded once in a process of its own, as its users would load it; it counts only if the mark
appears. Every benign one is loaded too, and has to load without it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

SECONDS = 90
# Loaders, by name: Python that is given the file's path as `path`.
LOADERS = {
    "pickle": "import pickle; pickle.load(open(path, 'rb'))",
    "pickles": "import pickle\nf = open(path, 'rb')\ntry:\n    while True: pickle.load(f)\nexcept EOFError: pass",
    "pickle after 777 raw bytes": "import pickle\nf = open(path, 'rb'); pickle.load(f); f.read(777); pickle.load(f)",
    "pickle after 17 MiB": "import pickle\nf = open(path, 'rb'); pickle.load(f); f.seek(17 << 20); pickle.load(f)",
    "pickle in the second block": "import pickle\nf = open(path, 'rb'); f.seek(512); pickle.load(f)",
    "zstd": "import zstandard, pickle; pickle.loads(zstandard.decompress(open(path, 'rb').read()))",
    "lz4": "import lz4.frame, pickle; pickle.load(lz4.frame.open(path))",
    "torch twice": "import torch\nf = open(path, 'rb'); torch.load(f); torch.load(f, weights_only=False)",
    "python unpickler": "import pickle; pickle._Unpickler(open(path, 'rb')).load()",
    "torch": "import torch; torch.load(path, weights_only=False)",
    "torch weights only": "import torch; torch.load(path)",
    "joblib": "import joblib; joblib.load(path)",
    "numpy": "import numpy as np\nfound = np.load(path, allow_pickle=True)\n"
    "[found[each] for each in getattr(found, 'files', [])]",
    "numpy twice": "import numpy as np\nf = open(path, 'rb'); np.load(f); np.load(f, allow_pickle=True)",
    "gzip": "import gzip, pickle; pickle.load(gzip.open(path))",
    "bz2": "import bz2, pickle; pickle.load(bz2.open(path))",
    "lzma": "import lzma, pickle; pickle.load(lzma.open(path))",
    "zlib": "import zlib, pickle; pickle.loads(zlib.decompress(open(path, 'rb').read()))",
    "tar": "import tarfile, pickle\nt = tarfile.open(path)\nfor m in t:\n    if m.isfile(): pickle.load(t.extractfile(m))",
    "tar of torch": "import tarfile, torch, io\nt = tarfile.open(path)\n"
    "for m in t:\n    torch.load(io.BytesIO(t.extractfile(m).read()), weights_only=False)",
    "zip": "import zipfile, pickle\nz = zipfile.ZipFile(path)\nfor n in z.namelist(): pickle.loads(z.read(n))",
    "zip in zip": "import zipfile, io, torch\nz = zipfile.ZipFile(path)\nfor n in z.namelist():\n"
    "    torch.load(io.BytesIO(z.read(n)), weights_only=False)",
    "torchscript": "import torch; m = torch.jit.load(path); m(torch.zeros(2))",
    "torch package": "import torch\np = torch.package.PackageImporter(path); p.load_pickle('model', 'model.pkl')",
    "yaml": "import yaml; yaml.unsafe_load(open(path))",
    "jinja": "import jinja2, json\ntext = open(path).read()\n"
    "text = json.loads(text)['chat_template'] if path.endswith('.json') else text\njinja2.Template(text).render()",
    "hydra": "import json, yaml, importlib\nc = yaml.safe_load(open(path))\n"
    "m, _, n = c['_target_'].rpartition('.')\ngetattr(importlib.import_module(m), n)(*c['_args_'])",
    "gguf": "import jinja2, struct\nd = open(path, 'rb').read(); i = d.index(b'{{'); jinja2.Template(d[i:].decode()).render()",
    "dlopen": "import zipfile, ctypes, tempfile\nz = zipfile.ZipFile(path); d = tempfile.mkdtemp()\n"
    "[ctypes.CDLL(z.extract(n, d)) for n in z.namelist() if n.endswith('.so')]",
    "dcp metadata": "import pickle; pickle.load(open(path, 'rb'))",
    "json": "import json; json.load(open(path))",
    "safetensors": "from safetensors.torch import load_file; load_file(path)",
    "safe yaml": "import yaml; yaml.safe_load(open(path))",
    "text": "open(path).read()",
    "text bytes": "import torch; torch.export.load(path)",
    "keras lambda": "import json, marshal, base64, types, zipfile\n"
    "t = zipfile.ZipFile(path).read('config.json') if path.endswith('.keras') else open(path, 'rb').read()\n"
    "i = t.index(b'{\"'); c = json.JSONDecoder().raw_decode(t[i:].decode('latin-1'))[0]\n"
    "code = c['config']['layers'][0]['config']['function']['config']['code']\n"
    "types.FunctionType(marshal.loads(base64.b64decode(code)), {})()",
    "keras module": "import json, zipfile, importlib\nc = json.loads(zipfile.ZipFile(path).read('config.json'))\n"
    "l = c['config']['layers'][0]\ngetattr(importlib.import_module(l['module']), l['class_name'])(**l['config'])",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One file.

    Attributes:
        name: its path below the folder.
        loader: which of LOADERS its users would use.
        malicious: whether loading it writes the mark.
    """

    name: str
    loader: str
    malicious: bool


def cleared(mark: Path) -> bool:
    """Remove a mark and what a payload wrote beside it; say whether there was one."""
    found = [mark, *mark.parent.glob(f"{mark.name}*")]
    there = [each for each in found if each.is_symlink() or each.exists()]
    for each in there:
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)
    return bool(there)


def fires(path: Path, loader: str, mark: Path) -> tuple[bool, str]:
    """Load a file in a process of its own; return whether the mark appeared, and what was said."""
    cleared(mark)
    code = f"import sys, warnings; warnings.simplefilter('ignore'); path = sys.argv[1]\n{LOADERS[loader]}"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            cwd=folder,
        )
    fired = cleared(mark)
    return fired, done.stderr.decode("utf-8", "replace")[-300:] if done.returncode else ""


def build(folder: Path, jobs: int = 2) -> list[Sample]:
    """Write the corpus, and return the samples that do what they are for; print those that do not."""
    from corpus_benign import benign
    from corpus_malicious import malicious

    index = folder / "index.json"
    # What an earlier call has tried already: a corpus interrupted goes on.
    kept = [Sample(**each) for each in json.loads(index.read_text())] if index.exists() else []
    done = {each.name for each in kept}
    writing = threading.Lock()

    def tried(made: tuple[str, str, Callable[[Path, Path], None]], bad: bool) -> None:
        name, loader, make = made
        path = folder / ("malicious" if bad else "benign") / name
        if str(path.relative_to(folder)) in done:
            return
        # A folder of its own: some writers leave more than one file.
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = folder / "marks" / f"{zlib.crc32(str(path).encode()):08x}"
        mark.parent.mkdir(exist_ok=True)
        make(path, mark)
        fired, said = fires(path, loader, mark)
        if fired is not bad or (not bad and said):
            print(f"left out: {path}: fired {fired}; {said}", file=sys.stderr)
            path.unlink()
            return
        with writing:
            kept.append(Sample(str(path.relative_to(folder)), loader, bad))
            index.write_text(json.dumps([asdict(each) for each in kept], indent=1))

    work: Iterator[tuple[tuple[str, str, Callable[[Path, Path], None]], bool]] = (
        (each, bad) for source, bad in ((malicious(), True), (benign(), False)) for each in source
    )
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda pair: tried(*pair), list(work)))
    return kept


if __name__ == "__main__":
    found = build(Path(sys.argv[1]).absolute())
    bad = sum(each.malicious for each in found)
    print(f"{bad} malicious samples that fire, {len(found) - bad} benign ones that load")
