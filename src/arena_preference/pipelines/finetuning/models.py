"""Cross encoders from and to folders: nothing that a file lacks is ever made up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BitsAndBytesConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from arena_preference.battles import N_CLASSES
from arena_preference.pretrained import find_model, quiet_transformers

from .config import FinetuningConfig, Pooling
from .heads import ComparisonModel, CrossEncoder, JointModel

_WEIGHTS: Final = "model.safetensors"
_ADAPTER: Final = "adapter_model.safetensors"


def load_tokenizer(folder: Path) -> Any:
    """Load a model's tokenizer.

    Raises:
        ValueError: If it cannot be read.
    """
    with quiet_transformers():
        try:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        # The library that reads it raises nothing more special.
        except Exception as reason:
            raise ValueError(
                f"The tokenizer in '{folder}' cannot be read ({_first_line(reason)}). Fetch the model again, or choose "
                "one whose tokenizer.json is there."
            ) from reason


def load_base(options: FinetuningConfig, dtype: torch.dtype, device: torch.device) -> CrossEncoder:
    """Load the published model, below a head that is yet to be trained; with adapters where these are trained.

    Args:
        options: Parameters ``finetuning``.
        dtype: Of products, and of weights that are not trained.
        device: Where it is going to compute.

    Returns:
        The model. Heads and adapters are drawn from PyTorch's generator.

    Raises:
        FileNotFoundError: If the model is not to be found.
        ValueError: If its weights are damaged or not all there, or it reads fewer tokens than it is given.
    """
    folder = find_model(options.model, options.revision)
    settings: dict[str, Any] = {"dtype": torch.float32 if options.method == "full" else dtype}
    if options.method == "qlora":
        settings |= _describe_quantization(dtype, device)
    if options.head == "joint":
        # The checkpoint may have a head with other labels.
        settings |= {"num_labels": N_CLASSES, "ignore_mismatched_sizes": True}
    encoder = _load_published(folder, options, settings)
    _check_length(encoder.config, options)
    if options.method == "qlora":
        encoder = prepare_model_for_kbit_training(encoder, use_gradient_checkpointing=False)
    if options.training.gradient_checkpointing:
        encoder.activation_checkpointing_enable({"use_reentrant": False})
    model = _put_head(encoder, options)
    return model if options.method == "full" else _add_adapters(model, options)


def load_trained(folder: Path, options: FinetuningConfig, dtype: torch.dtype, device: torch.device) -> CrossEncoder:
    """Load what was trained.

    Args:
        folder: What ``save_trained`` wrote.
        options: The parameters that it was trained with; for adapters, those of the place of the published model.
        dtype: Of products, and of weights that were not trained.
        device: Where it is going to compute.

    Returns:
        The model, every number of which stands in a file.

    Raises:
        ValueError: If a file, a head or an adapter is missing, damaged, or of another shape than the parameters say.
    """
    model: Any = None if options.method == "full" else load_base(options, dtype, device)
    try:
        if options.method == "full":
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            make = AutoModelForSequenceClassification if options.head == "joint" else AutoModel
            model = _put_head(make.from_config(config, dtype=torch.float32), options)
            load_model(model, folder / _WEIGHTS)
        else:
            _load_adapters(model, load_file(folder / _ADAPTER))
    except (OSError, RuntimeError, SafetensorError, KeyError) as reason:
        raise ValueError(
            f"The cross encoder in '{folder}' cannot be loaded: {_first_line(reason)}. Remove that folder and run the "
            "pipeline finetuning again."
        ) from reason
    return model


def save_trained(model: "CrossEncoder | PeftModel", tokenizer: Any, folder: Path) -> None:
    """Write the model, or its head and adapters alone, as safetensors, and its tokenizer with the chat template."""
    with quiet_transformers():
        if isinstance(model, CrossEncoder):
            model.config.save_pretrained(folder)
            save_model(model, str(folder / _WEIGHTS))
        else:
            model.save_pretrained(str(folder))
        tokenizer.save_pretrained(folder)


def _load_published(folder: Path, options: FinetuningConfig, settings: dict[str, Any]) -> Any:
    auto_class = AutoModelForSequenceClassification if options.head == "joint" else AutoModel
    with quiet_transformers():
        try:
            encoder, report = auto_class.from_pretrained(
                folder,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **settings,
            )
        except (OSError, SafetensorError) as reason:
            raise ValueError(
                f"The model in '{folder}' cannot be loaded ({_first_line(reason)}). Fetch it again."
            ) from reason
    # What the checkpoint lacks would be random numbers: only a new head may be that.
    new = tuple(_list_heads(encoder)) if options.head == "joint" else ("pooler",)
    lacking = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    missing = sorted(name for name in lacking if not name.startswith(new))
    if missing:
        raise ValueError(
            f"The weights in '{folder}' lack {len(missing)} tensors of the model, the first: {missing[0]}. Fetch it "
            "again, or choose one whose config.json fits its weights."
        )
    return encoder


def _put_head(encoder: Any, options: FinetuningConfig) -> CrossEncoder:
    encoder.config.use_cache = False
    smoothing = options.training.label_smoothing
    if options.head == "joint":
        text_config = encoder.config.get_text_config()
        # Decoders classify at the last token that is none of these; the collator fills with zeros.
        if text_config.pad_token_id is None:
            text_config.pad_token_id = 0
        return JointModel(encoder, smoothing)
    # A pooler that nothing reads would be weights without gradients.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return ComparisonModel(encoder, smoothing, options.pooling or _choose_pooling(encoder.config))


def _choose_pooling(config: Any) -> Pooling:
    is_decoder = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING
    return "last" if is_decoder else "mean"


def _add_adapters(model: CrossEncoder, options: FinetuningConfig) -> Any:
    lora = LoraConfig(
        r=options.lora.rank,
        lora_alpha=options.lora.alpha,
        lora_dropout=options.lora.dropout,
        target_modules=_list_linear_layers(model),
        modules_to_save=list(model.head_modules),
    )
    return get_peft_model(model, lora)


def _list_linear_layers(model: CrossEncoder) -> list[str]:
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not any(name == head or name.startswith(f"{head}.") for head in model.head_modules)
    ]


def _list_heads(encoder: Any) -> Iterator[str]:
    return (name for name, _ in encoder.named_children() if name != encoder.base_model_prefix)


def _load_adapters(model: Any, state: dict[str, torch.Tensor]) -> None:
    expected = {name: tensor.shape for name, tensor in get_peft_model_state_dict(model).items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise KeyError(
            f"{len(differing)} tensors of its head and adapters are not those of the parameters, the first: {name} "
            f"(stored: {found.get(name)}, wanted: {expected.get(name)})"
        )
    set_peft_model_state_dict(model, state)


def _describe_quantization(dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """QLoRA's own settings (Dettmers et al., 2023)."""
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return {"quantization_config": quantization, "device_map": {"": device}}


def _check_length(config: Any, options: FinetuningConfig) -> None:
    text_config = config.get_text_config()
    room = getattr(text_config, "max_position_embeddings", None)
    # DeBERTa's positions are relative, and it reads on beyond what it was trained for.
    if room and room > 0 and not getattr(text_config, "relative_attention", False) and options.input.max_tokens > room:
        raise ValueError(
            f"Model '{options.model}' reads {room} tokens and finetuning.input.max_tokens is "
            f"{options.input.max_tokens}. Lower it."
        )


def _first_line(reason: Exception) -> str:
    return " ".join(str(reason).splitlines()[:2])
