"""Try a source archive where there is no git and no compiler: `python release/source.py dist/*.tar.gz`.

The package installs all the same, trains on the reference engine, and `chainrule info` says how to get the native one.
"""

from __future__ import annotations

from installed import engines, trial

TRAIN = """
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from chainrule import MLPClassifier
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
print(MLPClassifier((16,), max_iter=30, random_state=0).fit(X, y).score(X, y))
"""


def main() -> None:
    """Try the archive named."""
    with trial(__doc__, "archive") as (archive, environment):
        # CMake looks in the system's folders too, whatever PATH says; a named one that is not there ends its search.
        environment.variables |= {"CC": "no-compiler", "CXX": "no-compiler"}
        environment.run("python", "-m", "pip", "install", "--quiet", "--no-cache-dir", str(archive))
        found = engines(environment)
        why = found["native"]["why"]
        assert not found["native"]["runs"] and found["reference"]["auto"], found
        assert "pip install" in why and "--no-binary chainrule" in why, (
            f"info does not say how to get the native engine: {why}"
        )
        print(f"installed without a compiler; the native engine is refused: {why}")
        score = float(environment.run("python", "-W", "ignore", "-c", TRAIN))
        assert score > 0.9, score
        print(f"trained on the reference engine: {score:.2f} right")


if __name__ == "__main__":
    main()
