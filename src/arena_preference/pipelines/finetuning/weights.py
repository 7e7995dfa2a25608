"""Loading and saving cross encoders. A weight that is missing from a file is an error, never a random number."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    prepare_model_for_kbit_training,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_model
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, BitsAndBytesConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from arena_preference.battles import N_CLASSES
from arena_preference.pretrained import check_padding, check_positions, find_model, quiet_transformers
from arena_preference.pretrained import load_model as load_pretrained

from .config import FinetuningConfig
from .cross_encoder import CrossEncoder, PairwiseModel, PointwiseModel

_WEIGHTS: Final = "model.safetensors"
_ADAPTER: Final = "adapter_model.safetensors"


def load_base(config: FinetuningConfig, dtype: torch.dtype, device: torch.device) -> CrossEncoder:
    """Load the pretrained model with an untrained head and, unless all weights are trained, untrained adapters.

    Heads and adapters are drawn from PyTorch's generator; ``dtype`` is that of matrix products and frozen weights.

    Raises:
        FileNotFoundError: If the model is not found.
        ValueError: If its weights are corrupted or incomplete, or it reads fewer tokens than ``input.max_tokens``, or
            padding.
    """
    kwargs: dict[str, Any] = {}
    if config.method == "qlora":
        # The settings of QLoRA (Dettmers et al., 2023).
        kwargs["device_map"] = {"": device}
        kwargs["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    if config.head == "pairwise":
        kwargs |= {"num_labels": N_CLASSES, "new_head": True}
    encoder = load_pretrained(
        _choose_class(config),
        find_model(config.model, config.revision),
        torch.float32 if config.method == "full" else dtype,
        **kwargs,
    )
    check_positions(encoder, config.model, "finetuning.input.max_tokens", config.input.max_tokens)
    if config.method != "qlora":
        encoder.to(device)
    _check_padding(encoder, config)
    if config.method == "qlora":
        encoder = prepare_model_for_kbit_training(encoder, use_gradient_checkpointing=False)
    if config.training.gradient_checkpointing:
        encoder.activation_checkpointing_enable({"use_reentrant": False})
    model = _add_head(encoder, config)
    return model if config.method == "full" else _add_adapters(model, config)


def load_trained(folder: Path, config: FinetuningConfig, dtype: torch.dtype, device: torch.device) -> CrossEncoder:
    """Load a cross encoder that ``save_trained`` wrote, with the parameters of its training.

    Adapters also need the pretrained model that the parameters name.

    Raises:
        ValueError: If a file, a head or an adapter is missing, corrupted, or of another shape than the parameters say.
    """
    model: Any = None if config.method == "full" else load_base(config, dtype, device)
    try:
        if config.method == "full":
            model_config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            model = _add_head(_choose_class(config).from_config(model_config, dtype=torch.float32), config)
            load_model(model, folder / _WEIGHTS)
        else:
            _load_adapters(model, load_file(folder / _ADAPTER))
    except (OSError, RuntimeError, SafetensorError, KeyError) as reason:
        # The second line names the tensors.
        raise ValueError(
            f"The cross encoder in '{folder}' cannot be loaded: {' '.join(str(reason).splitlines()[:2])}. Remove that "
            "folder and run the pipeline finetuning again."
        ) from reason
    return model


def save_trained(model: CrossEncoder | PeftModel, tokenizer: Any, folder: Path) -> None:
    """Write the model (with adapters, only these and the head) as safetensors, and its tokenizer."""
    with quiet_transformers():
        if isinstance(model, CrossEncoder):
            model.config.save_pretrained(folder)
            save_model(model, str(folder / _WEIGHTS))
        else:
            model.save_pretrained(str(folder))
        tokenizer.save_pretrained(folder)


def _choose_class(config: FinetuningConfig) -> Any:
    return AutoModelForSequenceClassification if config.head == "pairwise" else AutoModel


def _add_head(encoder: Any, config: FinetuningConfig) -> CrossEncoder:
    encoder.config.use_cache = False
    smoothing = config.training.label_smoothing
    if config.head == "pairwise":
        text_config = encoder.config.get_text_config()
        # Decoders classify at the last token that is not padding.
        if text_config.pad_token_id is None:
            text_config.pad_token_id = 0
        return PairwiseModel(encoder, smoothing)
    # An unused pooler would have weights without gradients.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    family = type(encoder.config)
    is_decoder = family in MODEL_FOR_CAUSAL_LM_MAPPING and family not in MODEL_FOR_MASKED_LM_MAPPING
    return PointwiseModel(encoder, smoothing, config.pooling or ("last" if is_decoder else "mean"))


def _add_adapters(model: CrossEncoder, config: FinetuningConfig) -> Any:
    heads = model.head_modules
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not any(f"{name}.".startswith(f"{head}.") for head in heads)
    ]
    return get_peft_model(model, LoraConfig(**config.lora.model_dump(), target_modules=layers, modules_to_save=heads))


def _load_adapters(model: Any, state: dict[str, torch.Tensor]) -> None:
    expected = {name: tensor.shape for name, tensor in get_peft_model_state_dict(model).items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise KeyError(
            f"{len(differing)} tensors of head and adapters do not fit the parameters, the first: {name} "
            f"(stored: {found.get(name)}, expected: {expected.get(name)})"
        )
    set_peft_model_state_dict(model, state)


def _check_padding(encoder: Any, config: FinetuningConfig) -> None:
    """Compare the vectors of a short and a longer input in a padded batch with those of each alone."""
    text_config = encoder.config.get_text_config()
    pad_token = text_config.pad_token_id or 0
    tokens = [token for token in range(17) if token != pad_token]

    def embed(*inputs: list[int]) -> npt.NDArray[np.float32]:
        ids = [torch.tensor(tokens, device=encoder.device) for tokens in inputs]
        mask = pad_sequence([torch.ones_like(tokens) for tokens in ids], batch_first=True)
        padded = pad_sequence(ids, batch_first=True, padding_value=pad_token)
        with torch.no_grad():
            states = encoder.base_model(input_ids=padded, attention_mask=mask).last_hidden_state.float()
        return ((states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)).cpu().numpy()

    pair = tokens[:4], tokens
    alone = np.concatenate([embed(one) for one in pair])
    check_padding(alone, embed(*pair), encoder.dtype, config.model, "finetuning.model")
