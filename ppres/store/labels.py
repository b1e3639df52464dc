"""Labels of stored cells: no part of what a cell is, so that it can get another one later."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from ppres import codec
from ppres.models import redaction
from ppres.store.cell import Cell
from ppres.store.rows import compress, spec_of, unpack
from ppres.store.store import UNREADABLE, Store


def relabel(store: Store, cells: Iterable[Cell]) -> None:
    """Have the store say of its cells what they are called now; who gives no label takes none away.

    Raises `ValueError` for a label that holds a secret of the environment.
    """
    changed = dict[bytes, bytes]()
    for cell in cells:
        if (label := cell.condition.label) is None:
            continue
        for (packed,) in store.query("SELECT spec FROM cells WHERE digest=?", cell.digest):
            try:
                spec = spec_of(unpack(packed), cell.digest)
            except UNREADABLE:  # it is mended when a rollout of it is stored
                continue
            if spec["condition"].get("label") != label:
                redaction.refuse("a condition's label", label)
                spec["condition"]["label"] = label
                changed[cell.digest] = compress(codec.dumps(spec).encode())
    if changed and store.read_only:
        warnings.warn(f"{len(changed)} cells keep their labels in {store.path}, which cannot be written", stacklevel=3)
    elif changed:
        with store.transaction() as db:
            db.executemany("UPDATE cells SET spec=? WHERE digest=?", [(spec, digest) for digest, spec in changed.items()])
