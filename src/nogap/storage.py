"""Model files: arrays and a JSON description in one ``.npz`` archive, without pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nogap._typing import Array

VERSION = 1
_DESCRIPTION = "description"
# what reading a file that is cut short, altered or something else can raise
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def write(
    path: str | PathLike[str], kind: str, arrays: Mapping[str, Array], meta: Mapping[str, Any]
) -> None:
    """Write a model file; an existing file is replaced only once the new one is complete."""
    description = json.dumps({"format": kind, "version": VERSION, **meta})
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist")
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=".unfinished"
    )
    try:
        with os.fdopen(handle, "wb") as file:
            packed: dict[str, Any] = {**arrays, _DESCRIPTION: np.array(description)}
            np.savez(file, **packed)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # a temporary file is private; a model file is not
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: str | PathLike[str], kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays and description of a model file of that kind.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Damaged, of another kind, or written by a newer release.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = dict(json.loads(str(arrays.pop(_DESCRIPTION))))
        found, version = str(meta.pop("format")), int(meta.pop("version"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except DAMAGE:
        raise ValueError(f"{path} is not a nogap model file, or it is damaged") from None
    if found != kind:
        raise ValueError(f"{path} holds a {found}, not a {kind}")
    if version > VERSION:
        raise ValueError(
            f"{path} was written by a newer release of nogap (file version {version}, this one "
            f"reads up to {VERSION}); upgrade nogap to read it"
        )
    return arrays, meta
