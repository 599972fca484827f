"""A dense reward for scripts/study/boundary.py: how much of the worked solution a response begins with. It stands by
itself, so that the verifier's processes import nothing else."""

from verifiers import Problem


def begun_right(problem: Problem, response: str) -> float:
    """The share of the characters of `solution` that the response has from its first on.

    >>> begun_right(Problem("p", "25-68=", "-43", {"solution": "5-8=-3, 20-60-3=-43"}), "5-8=-3, 60-")
    0.42105263157894735
    """
    solution = str(problem.meta["solution"])
    pairs = enumerate(zip(solution, response.strip(), strict=False))
    shared = next((i for i, (one, other) in pairs if one != other), min(len(solution), len(response.strip())))
    return shared / len(solution)
