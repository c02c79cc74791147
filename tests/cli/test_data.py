"""`chainrule data`: a shuffled copy of files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import parquet


def test_shuffle(command, tmp_path):
    (tmp_path / "in").mkdir()
    parquet.write_table(pa.table({"k": np.arange(1000)}), tmp_path / "in" / "a.parquet")
    printed = command("data", "shuffle", "in", "out", "--row-group-size", 300).stdout
    assert printed.startswith("1,000 rows in 1 file of 4 row groups") and printed.strip().endswith("out")
    order = parquet.read_table(tmp_path / "out" / "part-00000.parquet")["k"].to_numpy()
    assert (np.sort(order) == np.arange(1000)).all() and (order != np.arange(1000)).any()
    found = command("data", "shuffle", "in", "other", "--seed", 1, data=True)
    assert found["rows"] == 1000 and found["path"] == "other"


def test_bad_input(command, tmp_path):
    for arguments, said in (
        (("shuffle", "none.parquet", "out"), "none.parquet does not exist"),
        (("sort", "none.parquet", "out"), "ACTION must be shuffle, not 'sort'"),
        (("shuffle", "none.parquet", "out", "--seed", "-1"), "--seed must be an integer"),
        (("shuffle", ".", "out", "--row-group-size", "0"), "--row-group-size must be"),
    ):
        result = command("data", *arguments, code=2)
        assert said in result.stderr and "Traceback" not in result.stderr, result.stderr
