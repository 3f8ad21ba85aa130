"""The demonstration's task, written as the TOML file that a manufacturer would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from protocol.encryption.suite import FE64, PAD
from protocol.identifiers import Address, to_hex
from protocol.messages.task import MICRO, DepositTerms, LearningTerms, ModelSpec, PrivacyTerms
from scripts.demonstration.presets import (
    DEMO_REPUTATION,
    DEMO_REWARDS,
    MNIST_EXAMPLES,
    digits_terms,
    mnist_terms,
    with_enough_noise,
)

THRESHOLD = {FE64: 3, PAD: 2}  # of five authorities
CORRUPT = 1  # so four of five must see a request, and one may be silent
TRAINING_SECONDS = {"digits": 1, "mnist": 2}  # a phone refuses when it may need more than half
OBJECTION_SECONDS = 1  # phone and chain are on one machine
DIGITS_MAX_EXAMPLES = 1_500  # all that there are
NOTHING_ELSE: Mapping[str, int] = {}
TEST_SET = "test-set.safetensors"
SUITES = {"fe64": FE64, "pad": PAD}  # as the demonstration's option names them
PACKING = {FE64: 2, PAD: 4}  # two 16-bit coordinates per word; four bytes per coordinate


def terms_for(dataset: str, rounds: int) -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    model, learning, privacy = mnist_terms() if dataset == "mnist" else digits_terms()
    return model, with_enough_noise(learning, privacy, rounds), privacy


def least_cohort(clients: int) -> int:
    return max(2, clients // 2)


def usual_deposits(clients: int) -> DepositTerms:
    """The least that a task can do with: the bond of an edge server covers what a cohort is owed."""
    return DepositTerms(edge_server=clients * DEMO_REWARDS.participation)


def write_task_file(
    path: Path,
    dataset: str,
    clients: int,
    rounds: int,
    edge_servers: Sequence[Address],
    authority_urls: Sequence[str],
    phase_seconds: int = 180,
    suite: str = FE64,
    deposits: DepositTerms | None = None,
    cohort: Mapping[str, int] = NOTHING_ELSE,
) -> None:
    """``phase_seconds`` bounds a round's commit and settle phases; it ends as soon as everyone has committed. The first
    of ``edge_servers`` acts first, the others are its substitutes. ``deposits``: the usual ones if left out.
    ``cohort``: more lines of its table."""
    model, learning, privacy = terms_for(dataset, rounds)
    mechanism = learning.mechanism
    lines = [
        "[task]",
        f'title = "Which {"digit" if dataset == "digits" else "handwritten digit"} is it? ({dataset})"',
        f"rounds = {rounds}",
        f'suite = "{suite}"',
        f'edge_server = "{to_hex(edge_servers[0])}"',
        f"edge_substitutes = [{', '.join(_quoted(to_hex(address)) for address in edge_servers[1:])}]",
        "",
        "[files]",
        f'test_set = "{TEST_SET}"',
        "",
        "[model]",
        f"input_shape = [{', '.join(str(size) for size in model.input_shape)}]",
        f"classes = {model.classes}",
        "layers = [",
        *(f"  {_inline({'kind': layer.kind, **layer.arguments})}," for layer in model.layers),
        "]",
        "",
        "[learning.mechanism]",
        f"local_steps = {mechanism.local_steps}",
        f"sampling_rate = {_decimal(mechanism.sampling_rate_ppm)}",
        f"clip = {_decimal(mechanism.clip_micro)}",
        f"noise_multiplier = {_decimal(mechanism.noise_multiplier_micro)}",
        "",
        "[learning.optimiser]",
        f"learning_rate = {_decimal(learning.optimiser.learning_rate_micro)}",
        f"reference_count = {learning.optimiser.reference_count}",
        "",
        "[learning.sparsity]",
        f"density = {_decimal(learning.sparsity.density_ppm)}",
        f"scale = {_decimal(learning.sparsity.scale_micro)}",
        "",
        "[learning.quantiser]",
        f"bound = {_decimal(learning.quantiser.bound_micro)}",
        f"bits = {learning.quantiser.bits}",
        "",
        "[learning.encoding]",
        f"packing = {PACKING[suite]}",
        "",
        "[privacy]",
        f"epsilon_budget = {_decimal(privacy.epsilon_budget_micro)}",
        f"delta_exponent = {privacy.delta_exponent}",
        f'accountant = "{privacy.accountant}"',
        "",
        "[cohort]",
        f"min_clients = {least_cohort(clients)}",
        f"max_clients = {clients}",
        "max_share = 0.5",
        *(f"{name} = {value}" for name, value in cohort.items()),
        "",
        "[reputation]",
        f"initial = {DEMO_REPUTATION.initial}",
        f"floor = {DEMO_REPUTATION.floor}",
        f"maximum = {DEMO_REPUTATION.maximum}",
        f"waiting_rounds = {DEMO_REPUTATION.waiting_rounds}",
        "",
        "[rewards]",
        f"participation = {DEMO_REWARDS.participation}",
        f"contribution = {DEMO_REWARDS.contribution}",
        f"target_gain = {_decimal(DEMO_REWARDS.target_gain_ppm)}",
        f"edge_fee = {DEMO_REWARDS.edge_fee}",
        f"authority_fee = {DEMO_REWARDS.authority_fee}",
        "",
        "[deposits]",
        *(f"{name} = {amount}" for name, amount in asdict(deposits or usual_deposits(clients)).items()),
        "",
        "[durations]",
        "enrolment_seconds = 600",
        f"commit_seconds = {phase_seconds}",
        f"objection_seconds = {OBJECTION_SECONDS}",
        f"settle_seconds = {phase_seconds}",
        "task_seconds = 86400",
        "claim_seconds = 86400",
        "dispute_seconds = 2",
        f"takeover_seconds = {phase_seconds // 2}",
        f"roster_seconds = {phase_seconds}",
        "",
        "[schedule]",
        f"training_seconds = {TRAINING_SECONDS[dataset]}",
        f"max_examples = {MNIST_EXAMPLES if dataset == 'mnist' else DIGITS_MAX_EXAMPLES}",
        "",
        "[committee]",
        f"threshold = {THRESHOLD[suite]}",
        f"corrupt = {CORRUPT}",
        f"members = [{', '.join(_inline({'url': url}) for url in authority_urls)}]",
    ]
    path.write_text("\n".join(lines) + "\n")


def _decimal(millionths: int) -> str:
    """As TOML float, exactly."""
    text = format(Decimal(millionths) / MICRO, "f")
    return text if "." in text else f"{text}.0"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _inline(table: Mapping[str, object]) -> str:
    entries = [f"{key} = {_quoted(value) if isinstance(value, str) else value}" for key, value in table.items()]
    return f"{{ {', '.join(entries)} }}"
