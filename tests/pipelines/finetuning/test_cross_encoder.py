from pathlib import Path

import pytest
import torch
from torch.nn import functional

from arena_preference.pipelines.finetuning.cross_encoder import CrossEncoder
from arena_preference.pipelines.finetuning.weights import load_base

from ...tiny_models import save_model
from .conftest import MakeConfig

LAYOUTS = [("distilbert", "pointwise"), ("distilbert", "pairwise"), ("llama", "pointwise"), ("llama", "pairwise")]
SWAPPED = [1, 0, 2]


def make_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two inputs of three battles, of different lengths, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(4, 60, (3, 2, 12), generator=generator)
    mask = torch.ones_like(input_ids)
    for row, order, length in ((0, 1, 7), (1, 0, 4), (2, 1, 11)):
        mask[row, order, length:] = 0
    return input_ids * mask, mask


def load(make_config: MakeConfig, model: str, head: str, **changes: object) -> CrossEncoder:
    torch.manual_seed(0)
    loaded = load_base(make_config(model, head=head, **changes), torch.float32, torch.device("cpu"))
    return loaded.eval()


@pytest.mark.parametrize(("model", "head"), LAYOUTS)
def test_swapping_the_inputs_swaps_the_logits(make_config: MakeConfig, model: str, head: str) -> None:
    cross_encoder = load(make_config, model, head)
    input_ids, mask = make_batch()
    with torch.inference_mode():
        logits = cross_encoder(input_ids, mask).logits
        swapped = cross_encoder(input_ids.flip(1), mask.flip(1)).logits
    assert logits.shape == (3, 3)
    assert logits.std(dim=0).min() > 1e-5
    torch.testing.assert_close(swapped, logits[:, SWAPPED], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("model", "head"), LAYOUTS)
def test_neither_padding_nor_the_rest_of_the_batch_changes_a_battles_logits(
    make_config: MakeConfig, model: str, head: str
) -> None:
    cross_encoder = load(make_config, model, head)
    input_ids, mask = make_batch()
    padded = [functional.pad(part, (0, 5)) for part in (input_ids, mask)]
    with torch.inference_mode():
        together = cross_encoder(*padded).logits
        alone = torch.cat([cross_encoder(input_ids[[row]], mask[[row]]).logits for row in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5)


def test_a_pairwise_model_can_read_one_order_and_averages_both(make_config: MakeConfig) -> None:
    cross_encoder = load(make_config, "distilbert", "pairwise")
    input_ids, mask = make_batch()
    with torch.inference_mode():
        one, other = (cross_encoder(input_ids[:, [order]], mask[:, [order]]).logits for order in (0, 1))
        both = cross_encoder(input_ids, mask).logits
    assert (one - other[:, SWAPPED]).abs().max() > 1e-5
    torch.testing.assert_close(both, (one + other[:, SWAPPED]) / 2)


def test_the_loss_is_the_cross_entropy_of_each_order(make_config: MakeConfig) -> None:
    cross_encoder = load(make_config, "distilbert", "pairwise", training={"label_smoothing": 0.2})
    input_ids, mask = make_batch()
    labels = torch.tensor([0, 1, 2])
    with torch.inference_mode():
        one, other = (cross_encoder(input_ids[:, [order]], mask[:, [order]]).logits for order in (0, 1))
        loss = cross_encoder(input_ids, mask, labels).loss
    expected = [
        functional.cross_entropy(logits, target, label_smoothing=0.2)
        for logits, target in ((one, labels), (other, torch.tensor([1, 0, 2])))
    ]
    torch.testing.assert_close(loss, sum(expected) / 2)


@pytest.mark.parametrize(("model", "pooling"), [("distilbert", "mean"), ("llama", "last")])
def test_a_decoder_is_pooled_at_its_last_token_and_an_encoder_by_the_mean(
    make_config: MakeConfig, model: str, pooling: str
) -> None:
    assert load(make_config, model, "pointwise").pooling == pooling
    assert load(make_config, model, "pointwise", pooling="mean").pooling == "mean"


@pytest.mark.parametrize(("model", "head"), LAYOUTS)
def test_all_linear_layers_get_adapters_and_the_head_is_trained_in_full(
    make_config: MakeConfig, model: str, head: str
) -> None:
    adapted = load(make_config, model, head, method="lora")
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    per_layer = 6 if model == "distilbert" else 7
    assert len([name for name in trained if "lora_A" in name]) == 2 * per_layer
    whole = {name for name in trained if "lora_" not in name}
    assert whole
    assert all("modules_to_save" in name for name in whole)


def test_gradient_checkpointing_does_not_change_the_gradients(make_config: MakeConfig) -> None:
    gradients = []
    for checkpointing in (False, True):
        adapted = load(
            make_config, "llama", "pointwise", method="lora", training={"gradient_checkpointing": checkpointing}
        )
        adapted.train()
        torch.manual_seed(1)
        adapted(*make_batch(), torch.tensor([0, 1, 2])).loss.backward()
        gradients.append({name: weight.grad for name, weight in adapted.named_parameters() if weight.requires_grad})
    assert all(gradient is not None for gradient in gradients[1].values())
    assert sum(float(gradient.abs().sum()) for name, gradient in gradients[1].items() if "lora_B" in name) > 0
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("head", ["pointwise", "pairwise"])
@pytest.mark.parametrize(
    ("kind", "max_tokens", "message"),
    [
        ("fnet", 32, r"\d %.* finetuning\.model"),
        ("roberta", 65, r"64 tokens.* finetuning\.input\.max_tokens is 65"),
        ("gpt2", 67, r"66 tokens.* finetuning\.input\.max_tokens is 67"),
    ],
)
def test_a_model_that_reads_padding_or_too_few_tokens_is_an_error(
    make_config: MakeConfig, tmp_path: Path, head: str, kind: str, max_tokens: int, message: str
) -> None:
    save_model(tmp_path, kind)
    config = make_config(head=head, input={"max_tokens": max_tokens}).model_copy(update={"model": str(tmp_path)})
    with pytest.raises(ValueError, match=message):
        load_base(config, torch.float32, torch.device("cpu"))
    if kind != "fnet":
        fewer = config.input.model_copy(update={"max_tokens": max_tokens - 1})
        load_base(config.model_copy(update={"input": fewer}), torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_votes_have_the_loss_of_their_classes_and_soft_labels_the_mean_by_probability(
    make_config: MakeConfig, label_smoothing: float
) -> None:
    cross_encoder = load(make_config, "distilbert", "pairwise", training={"label_smoothing": label_smoothing})
    input_ids, mask = make_batch()
    classes = torch.tensor([0, 1, 2])
    votes = torch.eye(3)[classes]
    with torch.inference_mode():
        plain, other, same, doubled, soft = (
            cross_encoder(input_ids, mask, labels).loss
            for labels in (classes, classes.roll(1), votes, 2 * votes, 0.7 * votes + 0.3 * votes.roll(1, dims=0))
        )
    torch.testing.assert_close(same, plain)
    torch.testing.assert_close(doubled, 2 * plain)
    torch.testing.assert_close(soft, 0.7 * plain + 0.3 * other)
