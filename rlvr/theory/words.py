"""What the page of `rlvr worlds` says of each world, and of its terms, to somebody who has never trained a model."""

from __future__ import annotations

TERMS = {
    "prior, evidence, posterior": """A language model before it is asked is a prior over what could follow. A prompt is
        evidence: what the model says after it is a posterior. That an answer is right, as a verifier says, is evidence
        too: given it, the model's own answers make up the verified posterior, π*.""",
    "base and policy": """The base is the model before training, p0, right with probability p; the policy is what
        training makes of it, π, right with probability q.""",
    "verifier, reward": """A program that says yes or no to an answer. Training draws answers, asks the verifier, and
        makes those likelier that were worth more than the others.""",
    "pass@1, pass@64": "How often one answer is right, and how often at least one of 64.",
    "nat": "The unit of evidence, and of distance between two policies. One nat changes odds by a factor of e = 2.7.",
    "KL, its price β": """How far the policy has moved from its base, in nats. Where each nat costs β of reward, the
        best policy is known exactly: the tilt, whose log-odds of success are those of the base + 1/β.""",
    "η": "Share of the movement that bought success: 1 where not a nat is wasted.",
    "mark": "What a figure has to satisfy; met or missed. “Shown”: nothing is asked of it.",
    "seeds": """The same training with other random numbers. What is shown is the mean, with the least and the
        largest.""",
}
"""By word."""

WORLDS = {
    "strategies": (
        "Search is compressed",
        """“3+9=” asks for the last digit of a sum. The base mostly copies a digit, sometimes guesses, and once in fifty
        times adds by columns: it is seldom right at once and nearly always right once in 64 tries. All its possible
        answers, 60 a problem, can be listed with their probabilities. Training by verdicts should bring to the first
        answer what search would have found. The checks ask whether it does, where it ends, and what becomes of the
        reasoning behind right answers.""",
    ),
    "boundary": (
        "What the base rules out",
        """A posterior is nothing where its prior is nothing: an answer that the base never gives is never rewarded. In
        a table of probabilities that is exact. A network shares what it learns between problems, so ten problems are
        given a hole where the right answer should be, and training is watched around it.""",
    ),
    "verifier": (
        "A verifier that errs",
        """J is how much more often the verifier says yes to a right answer than to a wrong one: 1 for one that never
        errs, 0 for a coin. Noisy evidence is still evidence; below 0 it is evidence of the opposite.""",
    ),
    "rules": (
        "A prompt against a habit",
        """“5,3=” is answered by the larger digit, unless the prompt states that the smaller one wins, or shows an
        example of it. How many nats of statements and examples it takes until the habit gives way can be counted. Then
        training rewards answers by the rule that was stated.""",
    ),
    "coins": (
        "A prompt is evidence, and has its limits",
        """A small network has seen many coins thrown. Its prediction of the next flip should be the Bayes mixture over
        those coins. A prompt can single out a coin that it knows; a coin that it has never seen is out of the reach of
        every prompt, and within the reach of its weights.""",
    ),
    "concepts": (
        "In-context learning is Bayes' rule",
        """Documents are written by one of ten grammars. Examples in a prompt are evidence of which one it is: the exact
        posterior is known. The network should follow it, for grammars that it was trained on and for no others.""",
    ),
    "induction": (
        "The rule in its own words",
        """From labelled examples the policy has to say the rule behind them. What it says is read, and compared with
        the true rule on every item.""",
    ),
}
"""By name: its title, and what it is."""
