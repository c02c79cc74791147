"""Functions that some places to run in lack, as quotients of polynomials, each exact to about 1e-15 in float64.

A polynomial is its coefficients, that of the highest power first, as `numpy.polyval` takes them.
"""

from __future__ import annotations

from typing import NamedTuple

Polynomial = tuple[float, ...]


class Quotient(NamedTuple):
    """above(t) / below(t)"""

    above: Polynomial
    below: Polynomial


ERF_SPLIT = 0.46875
ERF_NEAR = Quotient(
    (
        *(1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2),
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
"""erf(x) = x q(x^2) for |x| up to ERF_SPLIT.

Source: Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation, 1969.
"""
ERFC_FAR = Quotient(
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
"""1 - erf(x) = exp(-x^2) q(x) for x from ERF_SPLIT to 4; beyond, where it is below 2e-8, to 1e-12. The same source."""
MIDDLE = 0.425
NORMAL_MIDDLE = Quotient(
    (
        *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4),
        *(1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    ),
    (
        *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4),
        *(5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
    ),
)
"""Phi^-1(p) = d q(MIDDLE^2 - d^2), d = p - 1/2, for |d| up to MIDDLE.

Source: Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics, 1988.
"""
NORMAL_TAIL = Quotient(
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1),
        *(1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0),
        *(4.63033784615654529590e0, 1.42343711074968357734e0),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2),
        *(1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0),
        *(2.05319162663775882187e0, 1.0),
    ),
)
"""|Phi^-1(p)| = q(r - 1.6), r = sqrt(-log(min(p, 1 - p))), for the rest up to r = 5, p = 1.4e-11. The same source."""
