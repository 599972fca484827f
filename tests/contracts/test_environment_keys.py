"""What the keys of the environment do to an episode."""

from rlvr import rollouts
from rlvr.config import ProblemsConfig, SamplingConfig, SourceConfig, VerificationConfig
from rlvr.pipeline import prepare
from rlvr.sampling.engine import TransformersSampler
from rlvr.terminal import Terminal
from tests.conftest import quickstart_config
from tests.contracts.keys import shows

SAY = """
class Say:
    name = "say"

    def __init__(self, text="1+1=", times=1):
        self.text, self.times = text, times

    def answer(self, episode):
        said = [turn for turn in episode.turns if turn.by == "evidence"]
        return self.text if len(said) < self.times else None
"""


@shows("environment", "environment_options")
def test_the_environment_that_is_named_answers_with_its_options(tiny, tmp_path):
    (tmp_path / "say.py").write_text(SAY)

    def turns(**keys) -> list[list[str]]:
        """What is written in the turns of each sample, the policy's as POLICY."""
        config = quickstart_config(
            problems=ProblemsConfig(heldout=SourceConfig(world="heldout", limit=2)),
            sampling=SamplingConfig(samples=4, max_new_tokens=16),
            verification=VerificationConfig(workers=1),
            **keys,
        )
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        with prepare(config, Terminal(quiet=True), trains=False) as (problems, evaluator):
            evaluator.evaluate(TransformersSampler(tiny, config.sampling), problems.heldout, file)
        return [
            [
                "POLICY" if turn["by"] == "policy" else turn["text"].strip()
                for turn in row.turns or [{"by": "policy"}]
            ]
            for row in rollouts.read(file)
            if row.complete
        ]

    say = f"{tmp_path / 'say.py'}:Say"
    assert {len(found) for found in turns()} == {1}
    assert ["POLICY", "1+1=", "POLICY"] in turns(environment=say)
    asked = turns(environment=say, environment_options={"text": "2+2=", "times": 2})
    assert ["POLICY", "2+2=", "POLICY", "2+2=", "POLICY"] in asked
