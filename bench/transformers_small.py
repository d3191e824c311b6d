"""Small Transformers architectures with random weights: how to make each, and what to feed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hub

__all__ = ["CATALOGUE", "FEEDS", "Entry"]

WORDS = 120
Config = Mapping[str, Any]

_TEXT: Config = {
    "vocab_size": WORDS, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 96, "max_position_embeddings": 64,
}  # fmt: skip
_RELATIVE: Config = {
    **_TEXT, "relative_attention": True, "max_relative_positions": 16,
    "pos_att_type": ["c2p", "p2c"],
}  # fmt: skip
_LLM: Config = {**_TEXT, "num_key_value_heads": 2, "use_cache": False}
_PHI: Config = {**_LLM, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
_PAIR: Config = {
    "vocab_size": WORDS, "d_model": 48, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96, "use_cache": False,
}  # fmt: skip
_PATCHES: Config = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96,
    "image_size": 64, "patch_size": 16,
}  # fmt: skip
_SPEECH: Config = {
    "vocab_size": 32, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 96, "conv_dim": [32, 32, 32], "conv_stride": [5, 2, 2],
    "conv_kernel": [10, 3, 2], "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
_FOUR: Config = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 24, 32, 48]}
_STAGES: Config = {"hidden_sizes": [24, 32, 48, 64], "depths": [1, 1, 2, 1], "image_size": 64}
_WHISPER: Config = {
    **_PAIR, "max_source_positions": 50, "max_target_positions": 32, "num_mel_bins": 20,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip
_SQUEEZE: Config = {
    **_TEXT, "embedding_size": 48, "q_groups": 4, "k_groups": 4, "v_groups": 4,
    "post_attention_groups": 1, "intermediate_groups": 4, "output_groups": 4,
}  # fmt: skip


def _feed(kind: str, batch: int, length: int, size: int) -> dict[str, torch.Tensor]:
    tokens = {
        "input_ids": torch.randint(5, 100, (batch, length)),
        "attention_mask": torch.ones(batch, length, dtype=torch.int64),
    }
    answer = {"decoder_input_ids": torch.randint(5, 100, (batch, max(1, length // 2)))}
    image = {"pixel_values": torch.randn(batch, 3, size, size)}
    made: dict[str, dict[str, torch.Tensor]] = {
        "text": tokens,
        "ids": {"input_ids": tokens["input_ids"][:, : length // 2]},
        "pair": tokens | answer,
        "image": image,
        "both": {**tokens, **image},
        "mel": {"input_features": torch.randn(batch, 20, 100), **answer},
        "wave": {"input_values": torch.randn(batch, 160 * length)},
    }
    return made[kind]


FEEDS: Callable[[str, int, int, int], dict[str, torch.Tensor]] = _feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One architecture.

    Attributes:
        family: what it is for, in a word or two.
        feed: which inputs it takes.
        model: name of the class that makes it.
        config: its settings, for the class of this name in `configuration`.
        configuration: the class of its settings.
        variants: other ways in which it is exported: `dynamic`, `torchscript`.
    """

    family: str
    feed: str
    model: str
    configuration: str
    config: Config
    variants: tuple[str, ...] = ()

    def made(self) -> torch.nn.Module:
        """The network, with the library's random weights."""
        config = getattr(hub, self.configuration)(**self.config)
        network: torch.nn.Module = getattr(hub, self.model)(config).eval()
        return network


def _entry(family: str, feed: str, stem: str, head: str, config: Config, *variants: str) -> Entry:
    return Entry(
        family=family,
        feed=feed,
        model=f"{stem}{head}",
        configuration=f"{stem}Config",
        config=config,
        variants=variants,
    )


def _encoder(stem: str, config: Config, *variants: str, head: str = "Sequence") -> Entry:
    return _entry("text encoder", "text", stem, f"For{head}Classification", config, *variants)


def _decoder(stem: str, config: Config, *variants: str, head: str = "ForCausalLM") -> Entry:
    return _entry("language model", "text", stem, head, config, *variants)


def _image(stem: str, config: Config, *variants: str, head: str = "") -> Entry:
    return _entry("vision", "image", stem, f"ForImageClassification{head}", config, *variants)


def _detr() -> Config:
    backbone = hub.ResNetConfig(
        embedding_size=16, layer_type="basic", out_features=["stage4"], **_FOUR
    )
    return {
        **{key: value for key, value in _PAIR.items() if key not in {"vocab_size", "use_cache"}},
        "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
        "backbone_config": backbone, "encoder_layers": 1, "decoder_layers": 1, "num_queries": 10,
    }  # fmt: skip


_BOTH = ("dynamic", "torchscript")
_CLIP: Config = {
    "text_config": {**_TEXT, "max_position_embeddings": 32, "eos_token_id": 2},
    "vision_config": dict(_PATCHES),
    "projection_dim": 32,
}
_DISTIL: Config = {
    "vocab_size": WORDS, "dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 96,
    "max_position_embeddings": 64,
}  # fmt: skip
_FUNNEL: Config = {
    "vocab_size": WORDS, "block_sizes": [1, 1], "d_model": 48, "n_head": 4, "d_head": 12,
    "d_inner": 96,
}  # fmt: skip
_GPT2: Config = {
    "vocab_size": WORDS, "n_positions": 64, "n_embd": 48, "n_layer": 2, "n_head": 4,
    "use_cache": False,
}  # fmt: skip
_OPT: Config = {
    "vocab_size": WORDS, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "ffn_dim": 96, "max_position_embeddings": 64, "word_embed_proj_dim": 48, "use_cache": False,
}  # fmt: skip
_BLOOM: Config = {
    "vocab_size": WORDS, "hidden_size": 48, "n_layer": 2, "n_head": 4, "use_cache": False,
}  # fmt: skip
_MAMBA: Config = {
    "vocab_size": WORDS, "hidden_size": 48, "num_hidden_layers": 2, "state_size": 8,
    "use_cache": False,
}  # fmt: skip
_T5: Config = {
    "vocab_size": WORDS, "d_model": 48, "d_kv": 12, "d_ff": 96, "num_layers": 2, "num_heads": 4,
    "use_cache": False,
}  # fmt: skip
_WIDE: Config = {"embedding_size": 16, "hidden_sizes": [32, 48, 64, 80], "depths": [1, 1, 1, 1]}
_SWIN: Config = {
    "image_size": 64, "patch_size": 4, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4],
    "window_size": 4,
}  # fmt: skip
_EFFICIENT: Config = {
    "image_size": 64, "width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640,
}  # fmt: skip
_MOBILEVIT: Config = {
    "image_size": 64, "hidden_sizes": [48, 64, 80], "num_attention_heads": 4,
    "neck_hidden_sizes": [16, 16, 24, 32, 48, 64, 128],
}  # fmt: skip
_SEGFORMER: Config = {**_FOUR, "num_attention_heads": [1, 2, 4, 4], "decoder_hidden_size": 32}

CATALOGUE: dict[str, Entry] = {
    "bert": _encoder("Bert", _TEXT, *_BOTH),
    "distilbert": _encoder("DistilBert", _DISTIL, *_BOTH),
    "albert": _encoder("Albert", {**_TEXT, "embedding_size": 24}, *_BOTH),
    "electra": _encoder("Electra", {**_TEXT, "embedding_size": 24}, *_BOTH),
    "roberta": _encoder("Roberta", _TEXT, *_BOTH),
    "xlm_roberta": _encoder("XLMRoberta", _TEXT, head="Token"),
    "mpnet": _encoder("MPNet", _TEXT, *_BOTH),
    "deberta": _encoder("Deberta", _RELATIVE, "torchscript"),
    "deberta_v2": _encoder("DebertaV2", _RELATIVE, *_BOTH),
    "squeezebert": _encoder("SqueezeBert", _SQUEEZE, *_BOTH),
    "funnel": _encoder("Funnel", _FUNNEL, "torchscript"),
    "gpt2": _decoder("GPT2", _GPT2, *_BOTH, head="LMHeadModel"),
    "gpt_neox": _decoder("GPTNeoX", {**_TEXT, "use_cache": False}, *_BOTH),
    "opt": _decoder("OPT", _OPT, *_BOTH),
    "llama": _decoder("Llama", _LLM, *_BOTH),
    "qwen2": _decoder("Qwen2", _LLM, *_BOTH),
    "qwen3": _decoder("Qwen3", {**_LLM, "head_dim": 12}, "dynamic"),
    "mistral": _decoder("Mistral", _LLM, "dynamic"),
    "phi3": _decoder("Phi3", _PHI, "dynamic"),
    "gemma": _decoder("Gemma", {**_LLM, "head_dim": 12}, "dynamic"),
    "gemma2": _decoder("Gemma2", {**_LLM, "head_dim": 12}, "dynamic"),
    "bloom": _decoder("Bloom", _BLOOM, *_BOTH),
    "mamba": _entry("language model", "ids", "Mamba", "ForCausalLM", _MAMBA),
    "t5": _entry("encoder and decoder", "pair", "T5", "ForConditionalGeneration", _T5, *_BOTH),
    "bart": _entry(
        "encoder and decoder", "pair", "Bart", "ForConditionalGeneration",
        {**_PAIR, "max_position_embeddings": 64}, *_BOTH,
    ),
    "whisper": _entry("speech", "mel", "Whisper", "ForConditionalGeneration", _WHISPER, "dynamic"),
    "vit": _image("ViT", _PATCHES, *_BOTH),
    "deit": _image("DeiT", _PATCHES, "dynamic", head="WithTeacher"),
    "beit": _image("Beit", _PATCHES, "dynamic"),
    "swin": _image("Swin", _SWIN, *_BOTH),
    "convnext": _image("ConvNext", _STAGES, *_BOTH),
    "convnextv2": _image("ConvNextV2", _STAGES, "dynamic"),
    "resnet": _image("ResNet", {**_WIDE, "layer_type": "bottleneck"}, *_BOTH),
    "regnet": _image("RegNet", {**_WIDE, "groups_width": 8}, "dynamic"),
    "mobilenet_v1": _image("MobileNetV1", {"image_size": 64, "depth_multiplier": 0.25}),
    "mobilenet_v2": _image("MobileNetV2", {"image_size": 64, "depth_multiplier": 0.5}, *_BOTH),
    "efficientnet": _image("EfficientNet", _EFFICIENT, "dynamic"),
    "segformer": _entry(
        "segmentation", "image", "Segformer", "ForSemanticSegmentation", _SEGFORMER, *_BOTH
    ),
    "poolformer": _image("PoolFormer", _FOUR, *_BOTH),
    "mobilevit": _image("MobileViT", _MOBILEVIT, "dynamic"),
    "detr": _entry("detection", "image", "Detr", "ForObjectDetection", _detr(), "dynamic"),
    "clip": _entry("text and image", "both", "CLIP", "Model", _CLIP, "dynamic"),
    "wav2vec2": _entry("speech", "wave", "Wav2Vec2", "ForCTC", _SPEECH, *_BOTH),
    "hubert": _entry("speech", "wave", "Hubert", "ForCTC", _SPEECH),
}  # fmt: skip
