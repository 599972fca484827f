"""The report's terms, a sentence each, under the section of docs/metrics.md that has formulas and sources."""

TERMS: dict[str, tuple[tuple[str, str], ...]] = {
    "How good is it": (
        (
            "pass@k",
            "The chance that at least one of k samples of a problem is right, averaged over the problems.",
        ),
        ("points", "A rate times 100; a difference of rates too."),
        ("maj@k", "The chance that the most frequent answer of k is right."),
        ("pass^k", "The chance that all of k samples are right."),
        ("CoT-pass@k", "pass@k that counts right answers only where the reasoning is sound."),
        ("unsound", "A right answer whose reasoning the verifier refuses."),
        (
            "paired",
            "Both policies answered the same problems, and the difference is taken problem by problem.",
        ),
    ),
    "Of which kind is the gain": (
        ("K, search budget", "How many base samples count as search; chosen before the results are known."),
        (
            "k*",
            "How many base samples are as good as one tuned sample: where the base's pass@k meets the tuned pass@1.",
        ),
        ("compression within K (C)", "The part of the gain that K samples of the base reach as well."),
        (
            "compression beyond K (X)",
            "The part that the base reaches too, but takes more than K samples for.",
        ),
        (
            "unresolved (U)",
            "Gain on problems that the base never solved, too small to tell from search with its samples.",
        ),
        (
            "expansion (E)",
            "Gain on problems that the base never solved, beyond what K samples could add to it.",
        ),
        ("certified", "Expansion that chance would show with at most 5 %, over all such problems together."),
        ("forgetting (F)", "What is lost on problems that the base solves more often."),
        (
            "from answering",
            "The part of the gain that comes from more samples with an answer, right or wrong.",
        ),
        ("from being right when answered", "The rest of it: more of the samples with an answer are right."),
        ("churn floor", "How large gains and losses of single problems would look if nothing had changed."),
        ("R, net ratio", "The share of what K samples add to one base sample that training put into one."),
        ("ρ, gross ratio", "The same of gains alone, without what was lost."),
        ("crossover", "The first k at which the base's pass@k is above the tuned one."),
        ("coverage", "Which problems are solved at all, by any of the samples."),
        (
            "McNemar's exact test",
            "Whether problems flip from wrong to right as often as back, by the counts of both.",
        ),
    ),
    "At what distance": (
        ("KL(π‖p0)", "How far the tuned policy π lies from the base p0, in nats."),
        (
            "η, KL efficiency",
            "The share of that distance that went into success; the rest changed style or variety.",
        ),
        (
            "π*, verified posterior",
            "The base, given that the verifier accepts: what ideal training on verdicts ends at.",
        ),
        ("π_V", "The tuned policy, given that the verifier accepts; KL(π_V‖π*) is how far it is from π*."),
        ("ESS", "Effective sample size: how many equally weighted samples a weighted average is worth."),
        ("log-odds, nats", "ln(p/(1 − p)) of the success rate; 0.69 nats double the odds."),
    ),
    "How sure are we": (
        (
            "95 %: a to b",
            "From a bootstrap over problems: how the number would vary over other such problems.",
        ),
    ),
}
