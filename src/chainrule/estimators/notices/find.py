"""Look at a training table for what makes its scores too good."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.request import FitRequest
from chainrule.estimators.notices import columns, groups, order
from chainrule.estimators.notices.notice import Notice, Notices, is_silent, warn_of
from chainrule.estimators.notices.sample import Rows, SampledTable, sampled

FEWEST_ROWS = 100


def of_fit(request: FitRequest, data: FitData, is_alone: bool) -> Notices:
    """Return what a fit notices, and warn of it; nothing where the warnings are ignored, and for arrays.

    data: that of the request, checked. The notices of a fit that it goes on from stay.
    is_alone: whether no search asks for the fit, which would hear the same of each trial.
    Rows are not looked at for what groups, time or X_val say of them already.
    """
    if request.before is not None:
        return request.before.notices
    if not is_alone or data.preprocessor is None or data.samples.n < FEWEST_ROWS or is_silent():
        return Notices()
    given, table = request.given, sampled(data)
    if table is None:
        return Notices()
    is_judged, known = given.X_val is not None, data.structure.groups
    together = None if known is None else known[table.rows]
    said = is_judged or known is not None, is_judged or given.time is not None
    with np.errstate(all="ignore"), threadpool_limits(1, "openmp"):
        found = looked_at(table, together, *said)  # more threads take longer to start than its trees to grow
    warn_of(found)
    return Notices(found)


def looked_at(
    table: SampledTable, together: Rows | None = None, has_groups: bool = False, has_time: bool = False
) -> tuple[Notice, ...]:
    """Return what is noticed of some rows of a table.

    together: (rows,) the group of each row, where it is known.  has_groups, has_time: whether it was said already which
    rows belong together, and which come later.
    """
    if table.y.std() == 0 or not table.is_input.any():
        return ()
    found = columns.that_know(table)
    for each in found:  # beside which nothing else would show
        table = table.without(each.columns)
    if not table.is_input.any():
        return tuple(found)
    table = table.without_extremes()  # a few of which would decide alone whether scores differ
    found += columns.that_number(table)
    if not has_groups:
        more, together = groups.grouped(table)
        if not more:
            more, together = groups.repeated(table)
        found += more
    if not has_time:
        found += order.in_time(table, together)
    return tuple(found)
