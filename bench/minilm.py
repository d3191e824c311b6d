"""all-MiniLM-L6-v2 in PyTorch: BERT with 6 layers of width 384, mean pooling, unit length."""

import math

import torch
from torch import nn

_WIDTH, _HEADS, _LAYERS = 384, 12, 6
_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mix": "attention.output.dense",
    "mix_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "down_norm": "output.LayerNorm",
}


class Layer(nn.Module):
    """Attention, then two linear layers, each with a shortcut and a normalization."""

    def __init__(self) -> None:
        """Make the layer; weights come later."""
        super().__init__()
        self.query, self.key, self.value, self.mix = (nn.Linear(_WIDTH, _WIDTH) for _ in range(4))
        self.mix_norm, self.down_norm = (nn.LayerNorm(_WIDTH, 1e-12) for _ in range(2))
        self.up, self.down = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """`x` [batch, length, width]; `bias` [batch, 1, 1, length] is added to the scores."""
        batch, length, _ = x.shape
        query, key, value = (
            part(x).view(batch, length, _HEADS, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(_WIDTH // _HEADS) + bias
        seen = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(batch, length, _WIDTH)
        x = self.mix_norm(x + self.mix(seen))
        return self.down_norm(x + self.down(nn.functional.gelu(self.up(x))))


class MiniLm(nn.Module):
    """Tokens to one embedding of length 1 a text."""

    def __init__(self) -> None:
        """Make the network; weights come later."""
        super().__init__()
        self.words = nn.Embedding(30522, _WIDTH)
        self.places = nn.Embedding(512, _WIDTH)
        self.kinds = nn.Embedding(2, _WIDTH)
        self.norm = nn.LayerNorm(_WIDTH, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(_LAYERS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Both [batch, length] int64; answers [batch, width]."""
        places = self.places(torch.arange(input_ids.shape[1]))[None]
        x = self.norm(self.words(input_ids) + places + self.kinds.weight[0])
        mask = attention_mask.to(x.dtype)
        bias = ((1 - mask) * -1e4)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1e-9)
        return mean / mean.pow(2).sum(1, keepdim=True).sqrt().clamp(min=1e-12)


def from_weights(weights: dict[str, torch.Tensor]) -> MiniLm:
    """The network with the published weights, under the names of their file."""
    found = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
    state = {
        "words.weight": found["embeddings.word_embeddings.weight"],
        "places.weight": found["embeddings.position_embeddings.weight"],
        "kinds.weight": found["embeddings.token_type_embeddings.weight"],
    }
    for kind in ("weight", "bias"):
        state[f"norm.{kind}"] = found[f"embeddings.LayerNorm.{kind}"]
        for layer in range(_LAYERS):
            for ours, theirs in _NAMES.items():
                source = f"encoder.layer.{layer}.{theirs}.{kind}"
                state[f"layers.{layer}.{ours}.{kind}"] = found[source]
    model = MiniLm()
    model.load_state_dict(state)
    return model.eval()
